"""`/me/data/`: what is held about one, a copy of it, and the wish to be erased."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.errors import Conflict
from portal.people import erasure, privacy
from portal.people.models import Membership
from portal.people.second_factor import confirmed
from portal.people.views import signed_in


@login_required
@require_safe
def data(request: HttpRequest) -> HttpResponse:
    """What is held, why, and for how long; and what one can ask for."""
    user = signed_in(request)
    held = [(holding, holding.rows(user).count()) for holding in privacy.holdings() if holding.of]
    context = {
        "held": [(holding, count) for holding, count in held if count],
        "asked": erasure.waiting(user),
        "acts": user.is_staff or Membership.objects.active().filter(user=user).exists(),
        "days": erasure.DELAY.days,
    }
    return render(request, "people/data.html", context)


@login_required
@require_POST
@confirmed
def export(request: HttpRequest) -> FileResponse:
    """The copy, as one file."""
    return FileResponse(erasure.export(by=signed_in(request)), as_attachment=True, filename="my-data.zip")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def erase(request: HttpRequest) -> HttpResponse:
    """Say what will go and what stays, then take the wish down."""
    user = signed_in(request)
    if request.method != "POST":
        if erasure.waiting(user):
            return redirect("people:data")
        due = timezone.now() + erasure.DELAY
        return render(request, "people/erase.html", {"days": erasure.DELAY.days, "due": due})
    try:
        erasure.request_erasure(by=user)
    except Conflict as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Your wish is taken down. Until the day it says, you can change your mind here."))
    return redirect("people:data")


@login_required
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """A change of mind."""
    try:
        erasure.cancel_erasure(by=signed_in(request))
    except Conflict as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Nothing will be erased."))
    return redirect("people:data")
