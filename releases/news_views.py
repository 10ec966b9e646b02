"""What came out and what was withdrawn: feeds of one model, of a family, and of the whole portal, for everybody."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal import feeds
from portal.feeds import Item
from releases.models import Revision
from releases.querysets import RevisionQuerySet
from releases.views import family_of, model_of


@require_safe
def of_portal(request: HttpRequest) -> HttpResponse:
    """The newest of every model that was ever published."""
    page = reverse("releases:catalogue")
    return feeds.atom(request, title=_("Releases"), page=page, items=_items(Revision.objects.all()))


@require_safe
def of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """The newest of a family's models."""
    found = family_of(lab, slug)
    title = _("Releases of %(name)s") % {"name": found.full_name}
    rows = Revision.objects.filter(model__family=found)
    return feeds.atom(request, title=title, page=found.get_absolute_url(), items=_items(rows))


@require_safe
def of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The newest of one model."""
    found = model_of(request, namespace, name)
    title = _("Releases of %(name)s") % {"name": found.full_name}
    page = reverse("releases:revisions", args=[found.lab.slug, found.name])
    return feeds.atom(request, title=title, page=page, items=_items(found.revisions.all()))


def _items(rows: RevisionQuerySet) -> list[Item]:
    """Each publication and each withdrawal is an item of its own, the newest first."""
    public = rows.public().filter(model__opened_at__isnull=False).select_related("model__lab").defer("folders")
    published = public.order_by("-published_at", "-pk")[: feeds.NEWEST]
    withdrawn = public.filter(withdrawn_at__isnull=False).order_by("-withdrawn_at", "-pk")[: feeds.NEWEST]
    items = [*_published(published), *_withdrawn(withdrawn)]
    return sorted(items, key=lambda item: item.at, reverse=True)[: feeds.NEWEST]


def _published(rows: QuerySet[Revision]) -> Iterator[Item]:
    for row in rows:
        assert row.published_at is not None  # noqa: S101 asked for as such
        yield Item(
            _("%(model)s: revision %(commit)s is published") % _named(row), _path(row), row.message, row.published_at,
            "published", row.model.lab.name,
        )  # fmt: skip


def _withdrawn(rows: QuerySet[Revision]) -> Iterator[Item]:
    for row in rows:
        assert row.withdrawn_at is not None  # noqa: S101 asked for as such
        instead = _("Use instead: %(name)s") % {"name": row.withdrawn_instead} if row.withdrawn_instead else ""
        yield Item(
            _("%(model)s: revision %(commit)s is withdrawn") % _named(row), f"{_path(row)}#withdrawn",
            f"{row.withdrawn_reason}\n\n{instead}".strip(), row.withdrawn_at, "withdrawn", row.model.lab.name,
        )  # fmt: skip


def _named(row: Revision) -> dict[str, str]:
    return {"model": row.model.full_name, "commit": row.commit[:8]}


def _path(row: Revision) -> str:
    return reverse("releases:files", args=[row.model.lab.slug, row.model.name, row.commit])
