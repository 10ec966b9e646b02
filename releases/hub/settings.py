"""The Hub's doors to what a repository is called, who may see it, and which names its revisions have."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from portal.errors import Conflict, Invalid
from portal.people.models import Lab
from releases import actions, lookup
from releases.hub.bodies import read_json, text_of
from releases.hub.doors import Asker, door, model_named, own, publisher
from releases.hub.wire import Missing, Unsupported
from releases.models import MAIN, Model, RefKind, Revision


@door("POST", "DELETE", gate=False)
def branch(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`create_branch`, `delete_branch`."""
    user, model = publisher(who), own(namespace, name, who)
    if request.method == "DELETE":
        actions.delete_ref(model=model, kind=RefKind.BRANCH, name=revision, by=user)
        return JsonResponse({})
    asked = read_json(request) if request.headers.get("Content-Length") not in {None, "0"} else {}
    start = _named(model, text_of(asked, "startingPoint", default=MAIN), who)
    actions.make_branch(model=model, name=revision, revision=start, by=user)
    return JsonResponse({})


@door("POST", "DELETE", gate=False)
def tag(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`create_tag` on a revision, `delete_tag` by its name."""
    user, model = publisher(who), own(namespace, name, who)
    if request.method == "DELETE":
        actions.delete_ref(model=model, kind=RefKind.TAG, name=revision, by=user)
        return JsonResponse({})
    name_of_it = text_of(read_json(request), "tag")
    actions.make_tag(model=model, name=name_of_it, revision=_named(model, revision, who), by=user)
    return JsonResponse({})


@door("POST", gate=False)
def squash(request: HttpRequest, who: Asker, namespace: str, name: str, revision: str) -> HttpResponse:
    """`super_squash_history`."""
    user, model = publisher(who), own(namespace, name, who)
    message = text_of(read_json(request), "message", default="") or "Squash the history"
    actions.squash(model=model, branch=revision, message=message, by=user)
    return JsonResponse({})


@door("PUT", gate=False)
def settings(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """`update_repo_settings`: says what is so, and refuses to change who gets in: that is decided on the portal."""
    publisher(who)
    model, asked = own(namespace, name, who), read_json(request)
    gated, private = ("manual" if model.gate_id else False), model.main_id is None
    wanted = asked.get("gated", gated)
    hidden = asked["visibility"] != "public" if "visibility" in asked else asked.get("private", private)
    if wanted not in (gated, "auto" if gated else gated):
        raise Conflict(f"Who may use {model.full_name} is set by its gate, on the portal, not here.")
    if hidden is not private:
        raise Conflict(f"{model.full_name} is seen outside its lab once a revision is published, and not before.")
    return JsonResponse({"gated": gated, "private": private, "visibility": "private" if private else "public"})


@door("DELETE", gate=False)
def delete(request: HttpRequest, who: Asker) -> HttpResponse:
    """`delete_repo`: of a model that was never published; what was published is withdrawn, with a reason, on its page."""
    user, asked = publisher(who), read_json(request)
    model = _of_body(asked, asked.get("organization"), text_of(asked, "name"), who)
    actions.delete_model(model=model, by=user)
    return JsonResponse({})


@door("POST", gate=False)
def move(request: HttpRequest, who: Asker) -> HttpResponse:
    """`move_repo`: another name, perhaps in another lab of the same publisher; the old one keeps leading here."""
    user, asked = publisher(who), read_json(request)
    model = _of_body(asked, None, text_of(asked, "fromRepo"), who)
    slug, _, name = text_of(asked, "toRepo").partition("/")
    lab = Lab.objects.filter(slug=slug, is_active=True).first()
    if lab is None or not name:
        raise Invalid("Name where it goes as lab/name, of a lab that is here.")
    actions.rename_model(model=model, lab=lab, name=name, by=user)
    return JsonResponse({})


def _of_body(asked: dict[str, object], namespace: object, name: str, who: Asker) -> Model:
    if asked.get("type") not in (None, "", "model"):
        raise Unsupported("This hub holds models; data sets and Spaces are not here.")
    slug, _, rest = name.partition("/")
    if isinstance(namespace, str) and namespace:
        slug, rest = namespace, name.rpartition("/")[2]
    if not rest:
        raise Missing("RepoNotFound", "Name the model as lab/name.")
    return model_named(slug, rest, who)


def _named(model: Model, revision: str, who: Asker) -> Revision | None:
    found = lookup.revision(model, revision, person=who.person, now=who.now, drafts=True)
    if found is None and revision != MAIN:
        raise Missing("RevisionNotFound", f"There is no revision {revision!r} of {model.full_name}.")
    return found
