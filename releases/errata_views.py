"""What is wrong with a model that is out: the list of its errata, and the feeds of a model’s and a family’s, for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal import feeds
from portal.feeds import Item
from releases.proof_models import Erratum
from releases.views import about, family_of, model_of

PAGE: Final = 50


@require_safe
def errata(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Every erratum, newest first; what a later one corrects stays, and says so."""
    found = model_of(request, namespace, name)
    rows = found.errata.select_related("revision", "corrects").prefetch_related("corrections")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "releases/errata.html", about(request, found, found.main) | {"tab": "errata", "page": page})


@require_safe
def feed_of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The newest errata of a model."""
    found = model_of(request, namespace, name)
    page = reverse("releases:errata", args=[found.lab.slug, found.name])
    rows = found.errata.select_related("model__lab", "revision")[: feeds.NEWEST]
    return feeds.atom(request, title=_title(found.full_name), page=page, items=_items(rows))


@require_safe
def feed_of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """The newest errata of a family's models, of those that were ever published."""
    found = family_of(lab, slug)
    rows = Erratum.objects.filter(model__family=found, model__opened_at__isnull=False)
    rows = rows.select_related("model__lab", "revision")[: feeds.NEWEST]
    return feeds.atom(request, title=_title(found.full_name), page=found.get_absolute_url(), items=_items(rows))


def _title(name: str) -> str:
    return _("Errata of %(name)s") % {"name": name}


def _items(rows: Iterable[Erratum]) -> list[Item]:
    return [
        Item(
            f"{erratum.model.full_name}: {erratum.title}", erratum.get_absolute_url(), _text(erratum), erratum.at,
            erratum.severity, erratum.model.lab.name,
        )
        for erratum in rows
    ]  # fmt: skip


def _text(erratum: Erratum) -> str:
    of = _("Revision %(commit)s") % {"commit": erratum.revision.commit[:12]} if erratum.revision else _("All revisions")
    return f"{of}. {erratum.get_severity_display()}.\n\n{erratum.text}"
