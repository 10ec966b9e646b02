"""Pages of the releases: catalogue, family, model, files, revisions, and the browser's door to a file."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from portal.access import waiting
from portal.errors import NotFound
from portal.people.models import User
from portal.people.views import signed_in
from releases import (
    cards,
    downloads,
    entries,
    explanation,
    ledger,
    lifecycle,
    listing,
    lookup,
    opening_words,
    policy,
    strip,
    terms,
)
from releases.models import Family, Model, Revision
from releases.opening_models import Opening
from releases.proof_models import Erratum
from releases.stop_models import stop_over

MODELS: Final = 100
FILES: Final = 500
REVISIONS: Final = 50
ERRATA: Final = 3
"""Shown at the head of a model's pages; the list has all."""


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Every family and model, searched, filtered, a page at a time."""
    show, sort = request.GET.get("show", "all"), request.GET.get("sort", "changed")
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]
    show = show if show in listing.SHOW else "all"
    sort = sort if sort in listing.SORT else "changed"
    page = listing.find(
        query=query,
        show=show,
        sort=sort,
        page=request.GET.get("page", "1"),
        person=reader(request),
        now=timezone.now(),
    )
    families, models = listing.totals()
    context = {"page": page, "query": query, "show": show, "sort": sort, "families": families, "models": models}
    return render(request, "releases/catalogue.html", context)


@require_safe
def family(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """One family: its sizes, access, and what is known of it with its sources."""
    found = family_of(lab, slug)
    if not found.hosted:
        return render(request, "releases/family_reference.html", _reference(found))
    published = found.models.published().with_stops().select_related("lab", "gate", "main")
    page = Paginator(published.order_by("parameters", "name"), MODELS).get_page(request.GET.get("page"))
    stop = found.stops.in_force().first()
    marks = strip.marks((m.parameters, "gated" if m.gate_id else "open", "") for m in page.object_list)
    gates = [(gate, waiting.times(gate)) for gate in {m.gate for m in page.object_list if m.gate}]
    return render(
        request, "releases/family.html", {"family": found, "page": page, "marks": marks, "gates": gates, "stop": stop}
    )


@require_safe
def model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """One model: what it is, in its makers' words, and how to get it."""
    try:
        found = model_of(request, namespace, name)
    except NotFound:
        planned = Opening.objects.announced(namespace, name).first()
        if planned is None:
            raise
        return render(request, "releases/countdown.html", opening_words.standing(planned))
    revision = revision_of(request, found, request.GET.get("revision", "main"), missing_ok=True)
    card = cards.card(revision) if revision else None
    data_card = cards.card(revision, cards.DATA_CARD) if revision else None
    context = about(request, found, revision) | {"tab": "card", "card": card, "data_card": data_card}
    return render(request, "releases/model.html", context)


@require_safe
def files(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """The files of a revision with sizes and digests, and commands that fetch and check them."""
    found = model_of(request, namespace, name)
    shown = revision_of(request, found, revision)
    page = Paginator(shown.files.order_by("path"), FILES).get_page(request.GET.get("page"))
    largest = shown.files.order_by("-size").first()
    context = about(request, found, shown) | {
        "tab": "files",
        "page": page,
        "largest": largest,
        "signatures": shown.signatures.select_related("key__lab"),
        "public": downloads.PUBLIC,
        "data_card": shown.files.filter(path=cards.DATA_CARD).exists(),
    }
    return render(request, "releases/files.html", context)


@require_safe
def revisions(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Every revision that the reader may know of, newest first."""
    found = model_of(request, namespace, name)
    person = reader(request)
    known = found.revisions.visible_to(person).defer("folders").order_by("-pk")
    page = Paginator(known, REVISIONS).get_page(request.GET.get("page"))
    context = about(request, found, found.main) | {
        "tab": "revisions",
        "page": page,
        "listed": {shown.commit for shown in page},
        "refs": found.refs.filter(revision__in=[shown.pk for shown in page]),
    }
    return render(request, "releases/revisions.html", context)


@login_required
@require_safe
def why(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Every condition of one right, met or not: one's own, or for the lab's staff a person's who came to its gates."""
    found, asker = model_of(request, namespace, name), signed_in(request)
    person = explanation.subject(asker, found, request.GET.get("person", ""))
    action = request.GET.get("action", policy.DOWNLOAD)
    told = explanation.explain(person=person, scopes=None, model=found, action=action, now=timezone.now())
    context = {"model": found, "told": told, "own": person.pk == asker.pk, "actions": explanation.ACTIONS}
    return render(request, "releases/why.html", context)


@require_safe
def download(request: HttpRequest, namespace: str, name: str, revision: str, path: str) -> HttpResponse:
    """A file, for a browser: the session decides, the ledger remembers, the link lives two minutes."""
    found = model_of(request, namespace, name)
    file = lookup.file(revision_of(request, found, revision), path)
    if file is None:
        raise NotFound(gettext("There is no file of this name in this revision."))
    client = request.headers.get("User-Agent", "")
    link = downloads.authorize(file=file, by=reader(request), token=None, now=timezone.now(), client=client)
    return HttpResponseRedirect(link.url)


@require_safe
def manifest(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """Every file of a revision with size and digests, as JSON. Public: people must be able to verify copies."""
    found = model_of(request, namespace, name)
    shown = revision_of(request, found, revision)
    listed = [
        {"path": f.path, "size": f.size, "sha256": f.sha256, "git": f.sha1, "lfs": f.lfs}
        for f in shown.files.order_by("path")
    ]
    told = {"model": found.full_name, "commit": shown.commit, "tree": shown.tree, "files": listed}
    return _shared(JsonResponse(told), shown)


@require_safe
def sums(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """The same as `sha256sum -c` reads it."""
    shown = revision_of(request, model_of(request, namespace, name), revision)
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in shown.files.order_by("path"))
    return _shared(HttpResponse(lines, content_type="text/plain; charset=utf-8"), shown)


def _shared(response: HttpResponse, revision: Revision) -> HttpResponse:
    """Let caches keep what is published; a draft is for its lab alone."""
    if revision.published_at:
        patch_cache_control(response, public=True, max_age=300)
    return response


def about(request: HttpRequest, found: Model, revision: Revision | None) -> dict[str, Any]:
    """What every page of a model shows: where the reader stands, and the revision at hand."""
    now = timezone.now()
    person = reader(request)
    verdict = policy.standing(person, found, now)
    stop = stop_over(found, revision)
    planned = Opening.objects.live().filter(model=found).select_related("revision").first()
    roles = policy.roles_of(person, found, now)
    member = planned is not None and bool(roles)
    agreement = found.gate.agreement if found.gate else found.agreement
    return {
        "model": found,
        "revision": revision,
        "allowed": verdict if isinstance(verdict, policy.Allow) else None,
        "reason": verdict.first if isinstance(verdict, policy.Deny) else None,
        "planned": planned if planned and (planned.announced or member) else None,
        "member": member,
        "stop": stop,
        "gone": bool(stop or found.withdrawn_at or (revision and revision.state == lifecycle.State.WITHDRAWN)),
        "waiting": waiting.times(found.gate) if found.gate else None,
        "agreement": agreement.current(now) if agreement else None,
        "file_count": revision.files.count() if revision else 0,
        "downloads": ledger.downloads_of(found),
        "staff": bool(roles),
        "publishes": bool(roles & lifecycle.STAFF),
        "errata": errata_of(found, revision),
    }


def errata_of(found: Model, revision: Revision | None) -> list[Erratum]:
    """The newest errata that hold for a revision and that no later one corrects."""
    return list(found.errata.holding_for(revision).select_related("revision")[:ERRATA])


def _reference(found: Family) -> dict[str, Any]:
    sizes = entries.sizes(found)
    sections = {name: entries.sourced(found, name) for name in ("notes", "access", "licence", "carbon", "timeline")}
    sources = found.facts.get("sources", {})
    columns = {name: sources[key] for name, key in found.facts.get("columns", {}).items()}
    return {
        "family": found,
        "facts": found.facts,
        "published": date.fromisoformat(found.facts["published"]),
        "sizes": sizes,
        "marks": strip.marks((size.parameters, "reference", size.label) for size in sizes),
        "terms": terms.sourced(entries.sourced(found, "may")),
        "columns": columns,
        "sources": sources,
        **sections,
    }


def reader(request: HttpRequest) -> User | None:
    """Whoever is signed in."""
    return request.user if isinstance(request.user, User) else None


def family_of(lab: str, slug: str) -> Family:
    """A family, hosted here or not. Raises NotFound."""
    found = lookup.family(lab, slug)
    if found is None:
        raise NotFound(gettext("There is no family of this name. Begin at the catalogue."))
    return found


def model_of(request: HttpRequest, namespace: str, name: str) -> Model:
    """The model of this name, as far as the reader may know of it. Raises NotFound, lookup.Moved."""
    person, now = reader(request), timezone.now()
    found = lookup.model(namespace, name, person=person, now=now)
    if found is None and (renamed := lookup.renamed(namespace, name, person=person, now=now)):
        raise lookup.Moved(f"{namespace}/{name}", renamed)
    if found is None:
        raise NotFound(gettext("There is no model of this name here, or it is not public. Begin at the catalogue."))
    return found


def revision_of(request: HttpRequest, found: Model, name: str, *, missing_ok: bool = False) -> Any:  # noqa: ANN401
    """The revision of this name, as far as the reader may know of it; None if `missing_ok`. Raises NotFound."""
    shown = lookup.revision(found, name, person=reader(request), now=timezone.now())
    if shown is None and not missing_ok:
        raise NotFound(gettext("There is no revision of this name. See the list of revisions."))
    return shown
