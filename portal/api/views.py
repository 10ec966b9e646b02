"""The description of the API: as JSON, as YAML, and as a page to read."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from portal.api import description, reading


@require_safe
@cache_control(public=True, max_age=300)
def as_json(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1 as JSON."""
    return HttpResponse(description.as_json(), content_type="application/vnd.oai.openapi+json")


@require_safe
@cache_control(public=True, max_age=300)
def as_yaml(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1 as YAML."""
    return HttpResponse(description.as_yaml(), content_type="application/vnd.oai.openapi")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The same to be read, without script: every operation under its subject."""
    context: dict[str, Any] = {"subjects": reading.subjects(), "host": settings.BASE_URL}
    return render(request, "api/description.html", context)
