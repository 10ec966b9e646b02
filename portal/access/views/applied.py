"""The applicant's pages once there is an application: where it stands, the list, taking it back, beginning again."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import actions, appeals, confirmations, forms, panels, sorting, waiting
from portal.access.actions import teaming
from portal.access.application_models import Application
from portal.access.history import timeline
from portal.access.members import ON_TEAM
from portal.access.workflow import WAITING, Party, Status, Verb, verbs
from portal.errors import Conflict, NotFound
from portal.people.views import signed_in

CLOSED: Final = {Status.DECLINED, Status.WITHDRAWN, Status.LAPSED}


def _own(request: HttpRequest, pk: UUID) -> Application:
    """One's own application; anything else is not there."""
    rows = Application.objects.select_related("gate__lab", "gate__agreement", "applicant", "grant__gate", "appeal")
    found = rows.filter(pk=pk, applicant=signed_in(request)).first()
    if found is None:
        raise NotFound(_("There is no such application, or it is not yours."))
    return found


@login_required
@require_safe
def application(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Status: who holds the ball, what happened, what comes next, what one can do."""
    found = _own(request, pk)
    is_waiting = Status(found.status) in WAITING
    times = waiting.times(found.gate)
    place, length = waiting.place(found) if is_waiting else (0, 0)
    waited = waiting.business_days(found.submitted_at, timezone.now()) if found.submitted_at else 0
    target = times.nine_in_ten if times else found.gate.target_days
    context = {
        "application": found,
        "gate": found.gate,
        "verbs": verbs(found.status, {Party.APPLICANT}),
        "is_waiting": is_waiting,
        "place": place,
        "length": length,
        "times": times,
        "waited": waited,
        "seen_after": waiting.business_days(found.submitted_at, found.first_seen_at)
        if found.submitted_at and found.first_seen_at
        else None,
        "likely": waiting.add_business_days(found.submitted_at, target) if found.submitted_at else None,
        "ruler": _ruler(times, waited) if times and is_waiting else None,
        "closed": Status(found.status) in CLOSED
        and not Application.objects.open().filter(gate=found.gate, applicant=found.applicant).exists(),
        "appeal": getattr(found, "appeal", None),
        "appeal_until": appeals.deadline(found) if appeals.may_appeal(found) else None,
        "timeline": timeline(found),
        "sections": _sent(found),
        "rules": sorting.explain(found) if found.decided_rules else [],
        "grant": getattr(found, "grant", None),
        "receipts": _receipts(found),
        "standing": confirmations.standing(found),
        "members": found.members.filter(status__in=ON_TEAM),
        "has_team": found.status != Status.DRAFT
        and found.gate.team_limit > 0
        and teaming.is_open(found)
        and found.lead == found.applicant,
    }
    return render(request, "access/application.html", context)


def _ruler(times: waiting.Times, waited: int) -> dict[str, Any]:
    """The ruler of the wait, in pixels of a 640 wide drawing."""
    days = max(10, times.nine_in_ten + 2)
    return {
        "days": days,
        "waited": min(640, waited * 640 // days),
        "half": times.half * 640 // days,
        "nine": times.nine_in_ten * 640 // days,
        "ticks": [day * 640 // days for day in range(days + 1)] if days <= 40 else [0, 640],
    }


def _sent(application: Application) -> list[tuple[str, list[forms.Answer]]]:
    sent = application.submissions.order_by("-round").first()
    return forms.read_back(sent.form_spec, sent.answers) if sent else []


def _receipts(application: Application) -> list[Any]:
    return list(application.applicant.signatures.filter(application=str(application.pk)))


@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Everything one has applied for, and every grant one holds or held."""
    return render(request, "access/mine.html", panels.held_by(signed_in(request)))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask once, then take the application back."""
    found = _own(request, pk)
    if Verb.WITHDRAW not in verbs(found.status, {Party.APPLICANT}):
        raise Conflict(_("This application can no longer be withdrawn."), code="wrong_status")
    if request.method != "POST":
        return render(request, "access/withdraw.html", {"application": found, "gate": found.gate})
    actions.withdraw(by=signed_in(request), application=found)
    messages.success(request, _("Withdrawn. You may apply again at any time."))
    return redirect(found)


@login_required
@require_POST
def again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A new draft from a closed application's answers."""
    found = _own(request, pk)
    actions.apply_again(by=signed_in(request), application=found)
    return redirect("access:apply", found.gate.slug)
