"""Pages for whoever would hold a seat: asking for one by a link, and accepting the undertaking."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, forms, roster
from portal.access.actions import seating
from portal.access.actions.institutional_moves import RELATED
from portal.access.institutional import ON_ROSTER, Status
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.models import Grant
from portal.access.views.institutional import text_of
from portal.errors import Invalid, NotFound
from portal.people.second_factor import step_up
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the institution's official for a seat; whoever has not shown to work there is told how."""
    user = signed_in(request)
    found = InstitutionalAgreement.objects.select_related(*RELATED).filter(pk=pk).first()
    if found is None or found.state() != Status.IN_FORCE:
        raise NotFound(_("There is no such agreement, or it has ended."))
    if request.method == "POST":
        actions.ask_to_join(by=user, agreement=found)
        messages.success(request, _("Asked. When you are admitted, an invitation comes by mail."))
        return redirect("access:join_institutional", found.pk)
    place = roster.colleague(user, found)
    mine = found.roster.filter(mailbox__in=roster.mailboxes(user), status__in=ON_ROSTER).first()
    held = Grant.objects.standing().filter(user=user, gate=found.gate).first()
    context = {"agreement": found, "gate": found.gate, "place": place, "mine": mine, "held": held}
    return render(request, "institutional/join.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """The mailed link: the undertaking on GET, because mail scanners follow links; the seat on POST."""
    user = signed_in(request)
    line = actions.seat_invitation(by=user, secret=secret)
    problems: dict[str, list[str]] = {}
    if request.method == "POST" and request.POST.get("verb") == "decline":
        actions.decline_seat(by=user, secret=secret)
        messages.success(request, _("Declined. Your institution’s official sees it on the roster."))
        return redirect("access:mine")
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("typed_name", "text_sha256")}
        try:
            grant = actions.accept_seat(by=user, secret=secret, **typed)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Accepted. Your access has begun."))
            return redirect(grant)
    marked = {
        **forms.marked(problems, {"typed_name": _("Type your full name")}),
    }
    context = {
        "line": line,
        "agreement": line.agreement,
        "gate": line.agreement.gate,
        "version": text_of(line.agreement),
        "undertaking": seating.undertaking(line.agreement),
        "typed": request.POST,
        **marked,
    }
    return render(request, "institutional/invitation.html", context, status=422 if problems else 200)
