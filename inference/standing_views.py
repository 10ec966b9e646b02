"""`/status/`: what works now, for everybody."""

from __future__ import annotations

from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inference import standing
from portal.announcements.models import Announcement
from portal.announcements.views import opened

MODELS: Final = 50
"""Models on one page."""


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The portal's parts, the models that can be queried, and what the operator tells."""
    found = standing.now()
    context = {
        "standing": found,
        "models": Paginator(found.models, MODELS).get_page(request.GET.get("models")),
        "open": opened(request),
        "disturbed": Announcement.objects.disturbed(),
    }
    response = render(request, "inference/status.html", context)
    response["Cache-Control"] = "no-store"
    return response
