"""The page that searches everything public."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from releases.logbook_models import Kind
from releases.search import finding


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Families, models and cards that answer, and entries of logbooks; each list with its own pages."""
    words = request.GET.get("q", "").replace("\0", "").strip()[: finding.WORDS_MAX]
    if not words:
        return render(request, "releases/search/search.html", {"words": ""})
    kind, logbook = request.GET.get("kind", ""), request.GET.get("logbook", "")
    kind = kind if kind in Kind.values else ""
    told = finding.entries(
        words,
        request.GET.get("entries", "1"),
        logbook=int(logbook) if logbook.isdecimal() and len(logbook) < 10 else None,
        kind=kind,
    )
    context = {
        "words": words,
        "releases": finding.releases(words, request.GET.get("page", "1")),
        "told": told,
        "kind": kind,
        "kinds": [(value, Kind(value).label, n) for value, n in told.kinds],
        "logbook": logbook,
    }
    return render(request, "releases/search/search.html", context)
