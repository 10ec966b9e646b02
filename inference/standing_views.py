"""`/status/`: what works now, for everybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from inference import standing
from portal.announcements.models import Announcement, Kind


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The portal's parts, the models that can be queried, and what the operator tells."""
    told = list(Announcement.objects.open().prefetch_related("remarks"))
    now = timezone.now()
    disturbed = any(one.kind == Kind.DISTURBANCE and one.stands(now) == "now" for one in told)
    context = {"standing": standing.now(), "open": told, "disturbed": disturbed}
    response = render(request, "inference/status.html", context)
    response["Cache-Control"] = "no-store"
    return response
