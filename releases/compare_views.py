"""Two revisions of a model beside one another, at an address of their own: `/{model}/compare/A...B`."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.agreements.redline import stretches
from portal.errors import NotFound
from releases.comparison import Difference
from releases.models import Model, Revision
from releases.views import about, model_of, reader, revision_of

CHOICES: Final = 100
"""Revisions that are offered; any other is compared by its address."""
SHOWN: Final = 100
"""Files, tensors and values of one kind that are named on the page."""


@require_safe
def choose(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """`?from=A&to=B` leads to their comparison; without them, the newest public revision and the one before it."""
    found = model_of(request, namespace, name)
    known = list(_known(request, found)[:2])
    after = request.GET.get("to") or (known[0].commit if known else "")
    before = request.GET.get("from") or (known[-1].commit if known else "")
    if not after:
        raise NotFound(_("Nothing is published now"))
    return redirect("releases:comparison", found.lab.slug, found.name, f"{before}...{after}")


@require_safe
def comparison(request: HttpRequest, namespace: str, name: str, pair: str) -> HttpResponse:
    """From revision A to revision B: every part that differs."""
    found = model_of(request, namespace, name)
    before, after = both(request, found, pair)
    difference = Difference(before, after)
    context = about(request, found, found.main)
    context |= {
        "tab": "revisions",
        "before": before,
        "after": after,
        "known": _offered(request, found, before, after),
        "files": difference.files.kinds(SHOWN),
        "tensors": difference.tensors.kinds(SHOWN),
        "config": difference.config[:SHOWN] if context["allowed"] else None,
        "config_differs": "config.json" in difference.files.changed,
        "said": difference.said,
        "scores": difference.scores[:SHOWN],
        "texts": [(text.path, stretches(text.blocks)) for text in difference.texts],
    }
    return render(request, "releases/compare.html", context)


def both(request: HttpRequest, found: Model, pair: str) -> tuple[Revision, Revision]:
    """The two revisions that `A...B` names. Raises NotFound for what the reader may not know of."""
    before, dots, after = pair.partition("...")
    if not (before and dots and after):
        raise NotFound(_("Name two revisions, with three dots between them."))
    return revision_of(request, found, before), revision_of(request, found, after)


def _known(request: HttpRequest, found: Model) -> QuerySet[Revision]:
    return found.revisions.visible_to(reader(request)).defer("folders").order_by("-pk")


def _offered(request: HttpRequest, found: Model, *chosen: Revision) -> list[Revision]:
    """The newest, and the chosen ones wherever they are."""
    newest = list(_known(request, found)[:CHOICES])
    return newest + [each for each in chosen if each.pk not in {known.pk for known in newest}]
