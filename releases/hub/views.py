"""The doors of the Hub: each reads one request, asks lookup and policy, and speaks through releases.hub.wire."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from portal.errors import Invalid
from portal.people.models import Lab, Membership
from releases import cards, downloads, formats, ledger, lookup, policy
from releases.hub import wire
from releases.hub.bodies import read_json
from releases.hub.doors import Asker, door, flag, link_next, model_named, number, text
from releases.hub.limits import Bucket
from releases.hub.pointers import pointer
from releases.hub.wire import Missing, NotSignedInToHub, Unsupported
from releases.lifecycle import STAFF
from releases.models import MAIN, File, Model, Revision

PAGE: Final = 1000
PAGE_EXPANDED: Final = 50
LIST_PAGE: Final = 100


@door("GET", "HEAD", bucket=Bucket.RESOLVERS)
def resolve(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str, path: str) -> HttpResponse:
    """A file. HEAD says what it is; GET redirects to a link that lives two minutes and is in the ledger."""
    file, facts, capped = _file(namespace, name, revision, path, who)
    return _given(request, who, file, facts, capped=capped)


@door("GET", "HEAD", bucket=Bucket.RESOLVERS)
def raw(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str, path: str) -> HttpResponse:
    """A file as it stands in the tree: of a large one its pointer, of any other a link, as resolve() gives it."""
    file, facts, capped = _file(namespace, name, revision, path, who)
    token = who.credential.token if who.credential else None
    if not file.lfs:
        return _given(request, who, file, facts, capped=capped)
    downloads.check(file=file, by=who.person, token=token, now=who.now, facts=facts)
    return pointer(request, file)


@door("GET", "HEAD")
def model_info(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str = "main") -> HttpResponse:
    """`model_info`: public, gated or not."""
    model = model_named(namespace, name, who)
    found = lookup.revision(model, revision, person=who.person, now=who.now, drafts=who.publishes)
    if found is None and (revision not in {"main", "HEAD"} or model.main_id):
        raise _no_revision(model, revision)
    files = list(found.files.order_by("path")) if found else []
    card = cards.metadata(found) if found else {}
    blobs = flag(request, "blobs")
    info = wire.model_info(model, found, files=files, blobs=blobs, card=card, downloads=ledger.downloads_of(model) or 0)
    info["tags"] += model.gate.duo if model.gate else []
    return JsonResponse(_expanded(info, request.GET.getlist("expand") + request.GET.getlist("expand[]")))


@door("GET", "HEAD")
def models(request: HttpRequest, who: Asker) -> HttpResponse:
    """`list_models`: what is published, a page at a time."""
    found = Model.objects.filter(_listed_for(who)).with_stops().select_related("lab", "main")
    if author := text(request, "author"):
        found = found.filter(lab__slug=author)
    for word in text(request, "search").split()[:5]:
        found = found.filter(name__icontains=word)
    if request.GET.get("gated") in {"true", "false", "True", "False"}:
        found = found.filter(gate__isnull=request.GET["gated"].lower() == "false")
    limit = min(number(request, "limit", LIST_PAGE), PAGE)
    rows = list(found.filter(pk__lt=number(request, "cursor", 1 << 62)).order_by("-pk")[: limit + 1])
    listed = [wire.model_info(m, m.main, files=None, blobs=False, card={}, downloads=0) for m in rows[:limit]]
    response = JsonResponse(listed, safe=False)
    if len(rows) > limit and "limit" not in request.GET:
        link_next(request, response, rows[limit - 1].pk)
    return response


@door("GET", "HEAD")
def tree(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str, path: str = "") -> HttpResponse:
    """`list_repo_tree`: files and folders by path, a page at a time."""
    model, found = _revision(namespace, name, revision, who)
    folder = path.strip("/")
    if folder and folder not in found.folders:
        raise Missing("EntryNotFound", f"There is no folder {folder!r} in {model.full_name}.", commit=found.commit)
    expand, recursive = flag(request, "expand"), flag(request, "recursive")
    size, after = PAGE_EXPANDED if expand else PAGE, text(request, "cursor")
    entries = _entries(found, folder, recursive=recursive, after=after, limit=size + 1)
    response = JsonResponse(_dated(found, entries[:size], who) if expand else entries[:size], safe=False)
    response["X-Repo-Commit"] = found.commit
    if len(entries) > size:
        link_next(request, response, entries[size - 1]["path"])
    return response


@door("POST")
def paths_info(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`get_paths_info`: the asked paths that exist."""
    _, found = _revision(namespace, name, revision, who)
    paths, expand = _asked_paths(request)
    files: list[dict[str, Any]] = [wire.tree_file(f) for f in found.files.filter(path__in=paths).order_by("path")]
    folders = [wire.tree_folder(path, found.folders[path]) for path in sorted(set(paths)) if path in found.folders]
    entries = files + folders
    return JsonResponse(_dated(found, entries, who) if expand else entries, safe=False)


@door("GET", "HEAD")
def refs(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """`list_repo_refs`."""
    model = model_named(namespace, name, who)
    seen = Revision.objects.visible_to(who.person, who.now)
    named = [(r.kind, r.name, r.revision) for r in model.refs.filter(revision__in=seen).select_related("revision")]
    if main := lookup.revision(model, MAIN, person=who.person, now=who.now, drafts=who.publishes):
        named.insert(0, ("branch", MAIN, main))
    listed: dict[str, Any] = {"branches": [], "converts": [], "tags": []}
    for kind, label, target in named:
        listed["branches" if kind == "branch" else "tags"].append(wire.ref(kind, label, target))
    if flag(request, "include_prs"):
        listed["pullRequests"] = []
    return JsonResponse(listed)


@door("GET", "HEAD")
def commits(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`list_repo_commits`: the revision and those before it, newest first, as far as the reader may know of them."""
    model, found = _revision(namespace, name, revision, who)
    seen = set(model.revisions.visible_to(who.person, who.now).values_list("commit", flat=True))
    line = [commit for commit in lookup.line(found) if commit in seen]
    start = number(request, "cursor", 0)
    page = line[start : start + PAGE_EXPANDED]
    rows = {row.commit: row for row in model.revisions.filter(commit__in=page)}
    formatted = "formatted" in request.GET.getlist("expand") + request.GET.getlist("expand[]")
    response = JsonResponse([wire.commit(rows[commit], formatted=formatted) for commit in page], safe=False)
    response["X-Total-Count"] = str(len(line))
    if start + PAGE_EXPANDED < len(line):
        link_next(request, response, start + PAGE_EXPANDED)
    return response


@door("GET", "HEAD")
def auth_check(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """`auth_check`: whether this token may download."""
    model = model_named(namespace, name, who)
    found = lookup.revision(model, MAIN, person=who.person, now=who.now, drafts=who.publishes)
    policy.require(
        person=who.person, scopes=who.scopes, model=model, revision=found, capability=policy.DOWNLOAD, now=who.now
    )
    return HttpResponse("OK", content_type="text/plain")


@door("GET", "HEAD")
def whoami(request: HttpRequest, who: Asker) -> HttpResponse:
    """`whoami`: the token's holder, the labs where they hold a role, and the token by its label."""
    if who.credential is None:
        raise NotSignedInToHub
    user, token = who.credential.user, who.credential.token
    labs = list(Lab.objects.filter(memberships__user=user, memberships__ends_at=None, is_active=True).distinct())
    role = "write" if who.publishes else "read"
    access = {"displayName": token.label, "role": role, "createdAt": wire.stamp(token.created_at)}
    return JsonResponse(
        {
            "type": "user",
            "id": str(user.pk),
            "name": labs[0].slug if who.publishes and len(labs) == 1 else user.email,
            "fullname": user.get_full_name(),
            "email": user.email,
            "emailVerified": True,
            "canPay": False,
            "isPro": False,
            "orgs": [{"type": "org", "id": str(lab.pk), "name": lab.slug, "fullname": lab.name} for lab in labs],
            "auth": {"type": "access_token", "accessToken": access},
        }
    )


def agent_harnesses(request: HttpRequest) -> HttpResponse:
    """Asked once a day by every client; there is nothing to tell."""
    return JsonResponse({"standardEnvVars": [], "harnesses": {}})


def telemetry(request: HttpRequest, topic: str) -> HttpResponse:
    """Some libraries report use here. Nothing is read or kept."""
    return HttpResponse()


@door("GET", "HEAD")
def nothing(request: HttpRequest, who: Asker) -> HttpResponse:
    """`list_datasets`, `list_spaces`: none are here."""
    return JsonResponse([], safe=False)


@door("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
def missing(request: HttpRequest, who: Asker, /, **_names: str) -> HttpResponse:
    """Data sets, Spaces, one-word models of other hubs: nothing of the kind is here, in the Hub's words."""
    raise Missing("RepoNotFound", "This hub holds language models of its labs alone, and not this repository.")


@door("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
def unsupported(request: HttpRequest, who: Asker, /, **_names: str) -> HttpResponse:
    """Parts of the Hub that are not here answer so, in JSON, whatever the method."""
    raise Unsupported(
        "This hub does not offer this. Its documentation lists what it speaks: " + settings.BASE_URL + "/help/"
    )


@door("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
def absent(request: HttpRequest, who: Asker, /, **_names: str) -> HttpResponse:
    """Absences that clients take as an answer (discussions, Xet tokens, safetensors summaries), and unknown addresses."""
    raise Missing("EntryNotFound", "This hub has nothing at this address.")


@door("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
def misplaced(request: HttpRequest, who: Asker, /, **_names: str) -> HttpResponse:
    """HF_ENDPOINT was given a path; the clients put it before all that they ask for."""
    message = f"The hub is not under a path of its host. Set HF_ENDPOINT={settings.BASE_URL} and try again."
    raise Missing("RepoNotFound", message, topic="endpoint")


def _given(request: HttpRequest, who: Asker, file: File, facts: policy.Facts | None, *, capped: bool) -> HttpResponse:
    """The file's headers to HEAD, to GET a link to it as well, once that is in the ledger."""
    token = who.credential.token if who.credential else None
    if request.method == "HEAD":
        downloads.check(file=file, by=who.person, token=token, now=who.now, facts=facts)
        response = HttpResponse(content_type=formats.media_type(file.path))
        response["Content-Length"] = str(file.size)
    else:
        link = downloads.authorize(
            file=file, by=who.person, token=token, now=who.now, facts=facts, capped=capped,
            wanted=request.headers.get("Range", ""), client=request.headers.get("User-Agent", ""),
        )  # fmt: skip
        response = HttpResponseRedirect(link.url)
        response["Cache-Control"] = "private, no-store"
    for header, value in wire.file_headers(file, file.revision.commit).items():
        response[header] = value
    return response


def _listed_for(who: Asker) -> Q:
    """What has been published; to a publisher's token, the drafts of their labs too."""
    published = Q(opened_at__isnull=False)
    if not who.publishes or who.person is None:
        return published
    own = Membership.objects.active(who.now).filter(user=who.person, role__in=STAFF).values("lab")
    return published | Q(lab__in=own, withdrawn_at=None)


def _revision(namespace: str, name: str, revision: str, who: Asker) -> tuple[Model, Revision]:
    model = model_named(namespace, name, who)
    found = lookup.revision(model, revision, person=who.person, now=who.now, drafts=who.publishes)
    if found is None:
        raise _no_revision(model, revision)
    return model, found


def _file(namespace: str, name: str, revision: str, path: str, who: Asker) -> tuple[File, policy.Facts | None, bool]:
    """The file at an address, in one question where the address is a plain one; raises Missing, Moved."""
    straight = (
        None if who.publishes else lookup.straight(namespace, name, revision, path, person=who.person, now=who.now)
    )
    if straight:
        return straight
    model = model_named(namespace, name, who)
    found = lookup.revision(model, revision, person=who.person, now=who.now, drafts=who.publishes)
    file = lookup.file(found, path) if found else None
    if file is None:
        raise _nothing_there(model, found, revision, path, who)
    return file, None, True


def _no_revision(model: Model, name: str) -> Missing:
    return Missing("RevisionNotFound", f"There is no revision {name!r} of {model.full_name}.")


def _nothing_there(model: Model, found: Revision | None, revision: str, path: str, who: Asker) -> Missing:
    """The gate comes before existence: whoever may not pass it does not learn which names exist behind it."""
    if downloads.capability(path) == policy.DOWNLOAD and not policy.member(who.person, model, who.now):
        policy.require(
            person=who.person, scopes=who.scopes, model=model, revision=found, capability=policy.DOWNLOAD, now=who.now
        )
    if found is None:
        return _no_revision(model, revision)
    return Missing(
        "EntryNotFound", f"There is no file {path!r} in {model.full_name} at {found.commit[:8]}.", commit=found.commit
    )


def _entries(found: Revision, folder: str, *, recursive: bool, after: str, limit: int) -> list[dict[str, Any]]:
    """Files and folders under `folder` after the path `after`, in order, at most `limit`."""
    files: QuerySet[File] = found.files.inside(folder) if recursive else found.files.filter(folder=folder)
    rows = [wire.tree_file(file) for file in files.filter(path__gt=after).order_by("path")[:limit]]
    prefix = f"{folder}/" if folder else ""
    folders = [
        wire.tree_folder(path, oid)
        for path, oid in found.folders.items()
        if path.startswith(prefix) and path > after and (recursive or "/" not in path[len(prefix) :])
    ]
    return sorted(rows + folders, key=lambda entry: entry["path"].encode())[:limit]


def _dated(found: Revision, entries: list[dict[str, Any]], who: Asker) -> list[dict[str, Any]]:
    """The entries with the commit that last changed each."""
    oids = {entry["path"]: entry["oid"] for entry in entries}
    last = lookup.changed(found, oids, person=who.person, now=who.now)
    return [entry | {"lastCommit": wire.last_commit(last[entry["path"]])} for entry in entries]


def _asked_paths(request: HttpRequest) -> tuple[list[str], bool]:
    if request.content_type != "application/json":
        said = [path.replace("\0", "") for path in request.POST.getlist("paths")[:PAGE]]
        return said, request.POST.get("expand", "").lower() == "true"
    asked = read_json(request)
    paths = asked.get("paths")
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise Invalid('Send {"paths": [...]}, the paths as texts.')
    return paths[:PAGE], asked.get("expand") is True


def _expanded(info: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    return {key: info.get(key) for key in {"_id", "id", *wanted}} if wanted else info
