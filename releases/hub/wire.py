"""What the Hugging Face clients read: header names, error codes, JSON shapes. Nothing else of the project knows them.

Sources: huggingface_hub 0.36, 1.31 and 2.x as observed on the wire; the contract is written up in docs/hub.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, JsonResponse
from django.utils.html import escape

from portal import errors
from portal.errors import Reason, WeighbridgeError
from portal.http import say_when, status_of
from releases import git
from releases.actions import Stale
from releases.models import File, Model, Revision

if TYPE_CHECKING:
    from portal.access.application_models import Application

DISABLED: Final = "Access to this resource is disabled."
"""The words, in the header, by which the client tells a DisabledRepoError; there is no code for it."""
_ABSENT: Final = {"no_file": "EntryNotFound", "no_revision": "RevisionNotFound"}
_PLAIN: Final = str.maketrans("“”‘’–—", "\"\"''--")


class Missing(errors.NotFound):
    """Something is not there; `code` is the Hub's: RepoNotFound, RevisionNotFound or EntryNotFound.

    With a `topic` the client prints the message as a warning too.
    """

    def __init__(self, code: str, message: str, *, commit: str = "", topic: str = "") -> None:
        super().__init__(message, code=code)
        self.commit, self.topic = commit, topic


class Unsupported(WeighbridgeError):
    """A part of the Hub that is not here."""

    code = "NotImplemented"


NotSignedInToHub: Final = errors.NotSignedIn("Send a token: HF_TOKEN, or hf auth login.", code="no_token")


def refusal(error: WeighbridgeError, *, signed_in: bool, gate: bool = True) -> HttpResponse:
    """The error as every client version understands it: status, code, and the message in headers and in the body.

    `gate` False: a refusal is not about access to files, and the client must not say so.
    """
    if isinstance(error, errors.BadToken):
        # Without these words the client would guess that the repository does not exist.
        return _refuse(401, "", "Invalid credentials in Authorization header", detail=error.message)
    if isinstance(error, Missing):
        status = 401 if error.code == "RepoNotFound" and not signed_in else 404
        return _refuse(status, error.code, error.message, commit=error.commit, topic=error.topic)
    if gate and isinstance(error, errors.NotSignedIn):
        return _refuse(401, "GatedRepo", error.message, topic="access")
    if gate and isinstance(error, errors.NotAllowed):
        return _not_allowed(error)
    if isinstance(error, errors.NotAllowed | errors.NotSignedIn):
        return _refuse(status_of(error), "", error.message)
    if isinstance(error, errors.Unavailable | errors.TooMany):
        # Without a code: clients wait for as long as they are told, and go on.
        answer = _refuse(status_of(error), "", error.message, topic=error.code)
        say_when(answer, error)
        return answer
    if isinstance(error, Stale):
        return _refuse(412, "", error.message)
    if isinstance(error, errors.NotFound):
        return _refuse(404, _ABSENT.get(error.code, "RepoNotFound"), error.message)
    if isinstance(error, Unsupported):
        return _refuse(501, error.code, error.message)
    return _refuse(status_of(error), error.code, error.message)


def taken(message: str, repository: dict[str, str]) -> HttpResponse:
    """The name is taken, by this repository: `exist_ok` reads its address."""
    answer = JsonResponse({"error": message, **repository}, status=409)
    answer["X-Error-Message"] = one_line(message)
    return answer


def _not_allowed(error: errors.NotAllowed) -> HttpResponse:
    """`GatedRepo`: any other 403 on a download turns into "check your connection" in the client.

    What was stopped is disabled; the reason goes where the client still shows it, into the warning and the body.
    """
    reasons = error.reasons or (Reason(error.code, error.message),)
    text = " ".join(r.message for r in reasons)
    if reasons[0].code == "stopped":
        answer = _refuse(403, "", reasons[0].message, topic="stopped", url=reasons[0].url)
        answer["X-Error-Message"] = DISABLED
        return answer
    return _refuse(403, "GatedRepo", text, topic=reasons[0].code, url=reasons[0].url)


def _refuse(
    status: int, code: str, message: str, *, commit: str = "", topic: str = "", url: str = "", detail: str = ""
) -> HttpResponse:
    text = one_line(message)
    more = {"detail": one_line(detail), "code": topic, "url": url}
    answer = JsonResponse({"error": text, **{name: said for name, said in more.items() if said}}, status=status)
    answer["X-Error-Message"] = text
    if code:
        answer["X-Error-Code"] = code
    if commit:
        answer["X-Repo-Commit"] = commit
    if topic:
        # `hf download` hides the message of a gated repository but prints warnings, once for each topic.
        answer["X-HF-Warning"] = f"{topic}; {text}"
    if status == 401:
        answer["WWW-Authenticate"] = 'Bearer realm="weighbridge"'
    return answer


def one_line(text: str) -> str:
    """ASCII, one line: a header is the only way to say something in answer to HEAD."""
    return " ".join(text.translate(_PLAIN).encode("ascii", "replace").decode().split())


def stamp(moment: datetime) -> str:
    """The one date format that the clients parse."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def file_headers(file: File, commit: str) -> dict[str, str]:
    """What HEAD of a file says; the size and etag are those of the content, not of a redirect's body."""
    headers = {
        "X-Repo-Commit": commit,
        "ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{one_line(file.name)}";'.replace("?", "_"),
    }
    if file.lfs:
        headers |= {"X-Linked-ETag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    return headers


def model_info(
    model: Model,
    revision: Revision | None,
    *,
    files: list[File] | None,
    blobs: bool,
    card: dict[str, Any],
    downloads: int,
) -> dict[str, Any]:
    """`ModelInfo`. `files` None leaves the siblings out; `blobs` adds sizes and digests to them."""
    changed = revision.published_at or revision.created_at if revision else model.created_at
    info: dict[str, Any] = {
        "_id": f"{model.pk:024x}",
        "id": model.full_name,
        "modelId": model.full_name,
        "author": model.lab.slug,
        "sha": revision.commit if revision else None,
        "lastModified": stamp(changed),
        "createdAt": stamp(model.created_at),
        "private": model.main_id is None,
        "disabled": model.withdrawn_at is not None or model.stopped,
        "gated": "manual" if model.gate_id else False,
        "downloads": downloads,
        "likes": 0,
        "tags": _tags(model, card),
        "library_name": card.get("library_name", "transformers"),
        "pipeline_tag": card.get("pipeline_tag", "text-generation"),
    }
    if revision:
        info |= {"cardData": card, "usedStorage": revision.size}
        if revision.facts.get("parameters"):
            info["safetensors"] = {"parameters": revision.facts["types"], "total": revision.facts["parameters"]}
    if files is not None:
        info["siblings"] = [_sibling(file, blobs=blobs) for file in files]
    return info


def tree_file(file: File) -> dict[str, Any]:
    """`RepoFile`."""
    entry: dict[str, Any] = {"type": "file", "oid": file.sha1, "size": file.size, "path": file.path}
    if file.lfs:
        entry["lfs"] = _lfs(file) | {"oid": file.sha256}
    return entry


def tree_folder(path: str, oid: str) -> dict[str, Any]:
    """`RepoFolder`."""
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def large_file(file: File, branch: str | None) -> dict[str, Any]:
    """`LFSFileInfo`."""
    return {
        "fileOid": file.sha256,
        "oid": file.sha256,
        "filename": file.path,
        "size": file.size,
        "pushedAt": stamp(file.blob.arrived_at),
        "ref": branch,
    }


def last_commit(revision: Revision) -> dict[str, Any]:
    """`lastCommit` of an expanded tree entry."""
    return {"id": revision.commit, "title": revision.message.partition("\n")[0], "date": stamp(revision.authored_at)}


def commit(revision: Revision, *, formatted: bool = False) -> dict[str, Any]:
    """`GitCommitInfo`; `formatted` adds title and message as HTML."""
    title, _, message = revision.message.partition("\n")
    said = {
        "id": revision.commit,
        "title": title,
        "message": message.strip(),
        "date": stamp(revision.authored_at),
        "authors": [{"user": revision.author}],
    }
    more = {"formatted": {"title": escape(title), "message": escape(message.strip())}} if formatted else {}
    return said | more


def ref(kind: str, name: str, revision: Revision) -> dict[str, str]:
    """`GitRefInfo`."""
    folder = "heads" if kind == "branch" else "tags"
    return {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": revision.commit}


def access_request(application: Application, stage: str) -> dict[str, Any]:
    """`AccessRequest`. Answers are not in it: they are read at our own API, where conflicts of interest are asked."""
    applicant = application.applicant
    request: dict[str, Any] = {
        "requestId": str(application.pk),
        "user": {
            "_id": str(applicant.pk),
            "user": applicant.email,
            "fullname": applicant.get_full_name(),
            "email": applicant.email,
        },
        "status": stage,
        "timestamp": stamp(application.submitted_at or application.created_at),
    }
    if application.decided_at and application.decided_by:
        by = application.decided_by
        request |= {
            "reviewedAt": stamp(application.decided_at),
            "grantedBy": {"user": by.email, "fullname": by.get_full_name()},
        }
    return request


def warn(response: HttpResponse, topic: str, message: str) -> HttpResponse:
    """Have the client print a line: it shows no body of a success."""
    if message:
        response["X-HF-Warning"] = f"{topic}; {one_line(message)}"
    return response


def _sibling(file: File, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    entry: dict[str, Any] = {"rfilename": file.path, "size": file.size, "blobId": file.sha1}
    if file.lfs:
        entry["lfs"] = _lfs(file) | {"sha256": file.sha256}
    return entry


def _lfs(file: File) -> dict[str, Any]:
    return {"size": file.size, "pointerSize": len(git.pointer(file.sha256, file.size))}


def _tags(model: Model, card: dict[str, Any]) -> list[str]:
    tags = (
        [str(tag) for tag in card.get("tags", []) if isinstance(tag, str)] if isinstance(card.get("tags"), list) else []
    )
    licence = card.get("license") or model.licence
    return [*tags, *([f"license:{licence}"] if licence else [])]
