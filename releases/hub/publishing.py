"""The writing doors of the Hub: repositories, what an upload would need, large files, commits.

Nothing that is committed here is public: a commit makes a draft, which is checked and published by the lab's release
managers.
"""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any, Final

import pathspec
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.errors import Invalid, NotAllowed, Unprocessable
from portal.people.models import Lab, User
from releases import actions, cards, git, names
from releases.actions import Change, NewFile
from releases.hub import gitignore, wire
from releases.hub.bodies import read_json, read_lines, text_of
from releases.hub.doors import Asker, door, own, publisher
from releases.hub.wire import Missing, Unsupported
from releases.models import Blob, Model, Upload
from releases.storage import store

BATCH_MAX: Final = 256
OPERATIONS_MAX: Final = 25_000
SALT: Final = "releases.hub.upload"
XET: Final = "If the upload stops at a Xet token, set HF_HUB_DISABLE_XET=1: this hub takes files over plain HTTP."


@door("POST", gate=False)
def create(request: HttpRequest, who: Asker) -> HttpResponse:
    """`create_repo`: a model without files, which nobody outside the lab sees before it is published."""
    user, asked = publisher(who), read_json(request)
    if asked.get("type") not in (None, "", "model"):
        raise Unsupported("This hub holds models; data sets and Spaces are not here.")
    lab = _lab(asked.get("organization"), user)
    name = text_of(asked, "name").rpartition("/")[2]
    found = Model.objects.named(lab.slug, name).first()
    if found is not None and user.roles_in(lab):
        return wire.taken(f"{found.full_name} exists already.", _repository(request, found.full_name))
    model = actions.open_model(lab=lab, name=name, by=user)
    actions.begin(model=model, by=user)
    return JsonResponse(_repository(request, model.full_name))


@door("POST", gate=False)
def validate_yaml(request: HttpRequest, who: Asker) -> HttpResponse:
    """Whether a card's metadata can be read. Asked without a token too."""
    content = text_of(read_json(request), "content")
    faults, gaps = ([{"message": said} for said in find(content)] for find in (cards.faults, cards.gaps))
    return JsonResponse({"errors": faults, "warnings": gaps}, status=400 if faults else 200)


@door("POST", gate=False)
def preupload(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """How each file is to be sent, which are left out, and what the branch holds in their place."""
    model, asked = own(namespace, name, who), read_json(request)
    _no_pull_request(request)
    files = asked.get("files")
    if not isinstance(files, list) or len(files) > BATCH_MAX:
        raise Invalid(f"Send at most {BATCH_MAX} files.")
    held = actions.files_of(actions.head_of(model, revision))
    ignored = gitignore.read(text_of(asked, "gitIgnore", default=""))
    told = [_advice(file, held, ignored) for file in files]
    response = JsonResponse({"files": told})
    hidden = [file["path"] for file in told if file["shouldIgnore"]]
    left_out = f"Left out: {', '.join(hidden[:5])}; a release carries no hidden files. " if hidden else ""
    return wire.warn(response, "upload", left_out + XET)


def place(request: HttpRequest, model: Model, user: User, asked: dict[str, Any], objects: list[Any]) -> dict[str, Any]:
    """Where each large file goes; nothing to do for one that the lab has (git-lfs batch API)."""
    transfers = asked.get("transfers")
    several = isinstance(transfers, list) and "multipart" in transfers
    told = [_instructions(request, model, user, each, several=several) for each in objects]
    return {"transfer": "multipart" if several else "basic", "objects": told}


@door("POST", gate=False)
def complete(request: HttpRequest, who: Asker, ticket: str) -> HttpResponse:
    """The parts of a large file are sent. The client shows no token here: the address itself is signed."""
    upload, asked = _ticketed(ticket), read_json(request)
    parts = asked.get("parts")
    if asked.get("oid") != upload.sha256 or not isinstance(parts, list):
        raise Invalid("This address completes another file.")
    if [part.get("partNumber") if isinstance(part, dict) else None for part in parts] != list(range(1, len(parts) + 1)):
        raise Invalid("Send the parts in order, each once, from number 1.")
    actions.finish_upload(upload=upload, etags=[str(part.get("etag", "")) for part in parts])
    return JsonResponse({"ok": True})


@door("POST", gate=False)
def verify(request: HttpRequest, who: Asker, ticket: str) -> HttpResponse:
    """A large file is sent whole: is it what was announced?"""
    upload, asked = _ticketed(ticket), read_json(request)
    if publisher(who) != upload.user:
        raise NotAllowed("Another account began this upload.", code="not_staff")
    if (asked.get("oid"), asked.get("size")) != (upload.sha256, upload.size):
        raise Invalid("This is not the file that was announced. Upload it again.")
    actions.finish_upload(upload=upload, etags=())
    return JsonResponse({"ok": True})


@door("POST", gate=False)
def commit(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`create_commit`: a draft on a branch, one line for each operation, read as they come."""
    user, model = publisher(who), own(namespace, name, who)
    _no_pull_request(request)
    header: dict[str, Any] = {}
    files: list[NewFile] = []
    gone: list[str] = []
    folders: list[str] = []
    for count, line in enumerate(read_lines(request)):
        if count > OPERATIONS_MAX:
            raise Invalid(f"A commit takes at most {OPERATIONS_MAX:,} operations. Send the rest in another.")
        key, value = line.get("key"), line["value"]
        match key:
            case "header":
                header = value
            case "file":
                files.append(_small(value))
            case "lfsFile":
                files.append(_large(value, model.lab))
            case "deletedFile":
                gone.append(text_of(value, "path"))
            case "deletedFolder":
                folders.append(text_of(value, "path"))
            case _:
                raise Unsupported(f"This hub does not know the operation {str(key)[:40]!r}.")
    made = actions.amend(
        model=model, branch=revision, change=Change(files, gone, folders), by=user,
        message=_message(header), parent=text_of(header, "parentCommit", default=""),
    )  # fmt: skip
    address = f"{_origin(request)}{model.full_name}/commit/{made.commit}"
    return JsonResponse({"success": True, "commitOid": made.commit, "commitUrl": address, "hookOutput": ""})


@require_safe
def commit_page(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """The address that clients print after a commit: the files as they are since."""
    return HttpResponseRedirect(reverse("releases:files", args=[namespace, name, revision]))


def _lab(name: Any, user: User) -> Lab:  # noqa: ANN401 whatever was sent
    """The lab of a new model; one's only lab where none is named."""
    if isinstance(name, str) and name:
        found = Lab.objects.filter(slug=name, is_active=True).first()
        if found is None:
            raise Missing("RepoNotFound", f"There is no lab {name[:80]!r} here.")
        return found
    labs = list(Lab.objects.filter(memberships__user=user, memberships__ends_at=None, is_active=True).distinct()[:2])
    if len(labs) != 1:
        raise Invalid("Name the model as lab/name: models belong to labs here, not to accounts.")
    return labs[0]


def _advice(file: Any, held: dict[str, NewFile], ignored: pathspec.GitIgnoreSpec) -> dict[str, Any]:  # noqa: ANN401
    path = text_of(file, "path") if isinstance(file, dict) else ""
    size = file.get("size") if path else None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Invalid("Each file needs a path and a size.")
    hidden = any(part.startswith(".") for part in path.split("/"))
    if fault := names.path_fault("/".join(part.lstrip(".") for part in path.split("/"))):
        raise Unprocessable(f"The file name {path!r} {fault}. Rename it.")
    told = {
        "path": path,
        "uploadMode": "lfs" if git.is_lfs(path, size) else "regular",
        "shouldIgnore": hidden or ignored.match_file(path),
    }
    present = held.get(path)
    return {**told, "oid": present.sha256 if present.lfs else present.sha1} if present else told


def _instructions(request: HttpRequest, model: Model, user: User, each: Any, *, several: bool) -> dict[str, Any]:  # noqa: ANN401
    oid, size = (each.get("oid"), each.get("size")) if isinstance(each, dict) else (None, None)
    if not isinstance(oid, str) or not isinstance(size, int) or isinstance(size, bool):
        raise Invalid("Each object needs an oid and a size.")
    told: dict[str, Any] = {"oid": oid, "size": size}
    try:
        begun = actions.begin_upload(model=model, sha256=oid, size=size, by=user, parted=several)
    except Invalid as fault:
        return {**told, "error": {"code": 422, "message": fault.message}}
    if begun is None:
        return told
    ticket = signing.dumps(begun.upload.key, salt=SALT)
    origin = _origin(request)
    links = [link if "://" in link else origin.rstrip("/") + link for link in begun.links]
    verified = {"href": f"{origin}api/uploads/{ticket}/verify"}
    if len(links) == 1:
        return {**told, "actions": {"upload": {"href": links[0]}, "verify": verified}}
    header = {f"{n:05d}": link for n, link in enumerate(links, start=1)}
    parted = {
        "href": f"{origin}api/uploads/{ticket}/complete",
        "header": {"chunk_size": str(begun.part_bytes), **header},
    }
    return {**told, "actions": {"upload": parted, "verify": verified}}


def _ticketed(ticket: str) -> Upload:
    """The upload that a signed address names. Raises NotAllowed."""
    try:
        key = signing.loads(ticket, salt=SALT)
        return Upload.objects.select_related("model__lab", "user", "blob").get(pk=key)
    except (signing.BadSignature, Upload.DoesNotExist) as fault:
        raise NotAllowed("This upload has ended, or its address was altered. Upload the file again.") from fault


def _small(value: dict[str, Any]) -> NewFile:
    path = text_of(value, "path")
    if value.get("encoding", "base64") not in ("base64", "utf-8"):
        raise Invalid(f"{path} is sent in an encoding that this hub does not know.")
    content = text_of(value, "content").encode()
    if value.get("encoding", "base64") == "base64":
        try:
            content = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as fault:
            raise Invalid(f"{path} is not base64.") from fault
    sha256, size = store().put(io.BytesIO(content))
    return NewFile(path, size, sha256, git.blob_id(content), lfs=False)


def _large(value: dict[str, Any], lab: Lab) -> NewFile:
    """An object that the lab has: uploaded whole, or in one of its revisions. A digest alone is no right to a file."""
    path, oid = text_of(value, "path"), text_of(value, "oid")
    held = Blob.objects.of_lab(lab).filter(pk=oid).first()
    if held is None:
        raise Invalid(f"{path} ({oid[:12]}) was not uploaded. Upload it before the commit.")
    if value.get("size") not in (None, held.size):
        raise Invalid(f"{path} has {held.size:,} bytes, not {value['size']}.")
    return NewFile(path, held.size, held.sha256, git.blob_id(git.pointer(held.sha256, held.size)), lfs=True)


def _message(header: dict[str, Any]) -> str:
    parts = [text_of(header, name, default="").strip() for name in ("summary", "description")]
    return "\n\n".join(part for part in parts if part)[:10_000] or "Upload files"


def _no_pull_request(request: HttpRequest) -> None:
    if request.GET.get("create_pr") in {"1", "true", "True"}:
        raise Unsupported("Pull requests are not here. Commit to a branch, and ask the lab to publish it.")


def _repository(request: HttpRequest, full_name: str) -> dict[str, str]:
    return {"url": _origin(request) + full_name, "name": full_name, "id": full_name}


def _origin(request: HttpRequest) -> str:
    """Our address as the client knows it, with a slash at its end: it compares hosts."""
    return request.build_absolute_uri("/")
