"""The licence of a model in plain words: may I …?, what it asks in return, the agreement before it, and the full text."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from releases import cards, licences
from releases.models import Model, Revision
from releases.terms import terms
from releases.views import about, model_of, revision_of

TEXTS: Final = ("LICENSE", "LICENSE.md", "LICENSE.txt")


@require_safe
def licence(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Of the newest public revision, or of the one that `?revision=` names."""
    found = model_of(request, namespace, name)
    revision = revision_of(request, found, request.GET.get("revision", "main"), missing_ok=True)
    named = licences.named(cards.licence(revision) if revision else "")
    path, text = _text(revision) if revision else ("", "")
    context = about(request, found, revision) | {
        "tab": "licence",
        "licence": named,
        "terms": terms(named, cards.metadata(revision) if revision else {}),
        "path": path,
        "text": text,
        "before": _other_before(found, revision) if revision else None,
    }
    return render(request, "releases/licence.html", context)


def _text(revision: Revision) -> tuple[str, str]:
    """The licence's file and what is in it; two empty texts where there is none to show."""
    for path in TEXTS:
        if text := cards.source(revision, path):
            return path, text
    return "", ""


def _other_before(model: Model, revision: Revision) -> Revision | None:
    """The newest public revision before this one with another licence or gate; None where all were the same."""
    if not hasattr(revision, "publication"):
        return None
    now = {"publication__licence": revision.publication.licence, "publication__gate": revision.publication.gate}
    earlier = model.revisions.public().filter(pk__lt=revision.pk, publication__isnull=False)
    return earlier.exclude(**now).defer("folders").order_by("-pk").first()
