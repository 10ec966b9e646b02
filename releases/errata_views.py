"""What is wrong with a model that is out: the list of its errata, for everybody."""

from __future__ import annotations

from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from releases.views import about, model_of

PAGE: Final = 50


@require_safe
def errata(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Every erratum, newest first; what a later one corrects stays, and says so."""
    found = model_of(request, namespace, name)
    rows = found.errata.select_related("revision", "corrects").prefetch_related("corrections")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "releases/errata.html", about(request, found, found.main) | {"tab": "errata", "page": page})
