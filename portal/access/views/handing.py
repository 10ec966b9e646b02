"""The pages on which a project is handed over: the lead's offer, and the member's answer."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, forms, leading
from portal.access.actions import handing
from portal.access.application_models import Application
from portal.access.handover_models import Handover
from portal.access.views.named import one_of, posted
from portal.access.workflow import Status
from portal.errors import Conflict, Invalid, NotFound
from portal.people.second_factor import step_up
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: HttpRequest, pk: UUID) -> HttpResponse:
    """To whom the project can be offered, or to whom it is; POST offers it, or takes the offer back."""
    found = leading.led_by(signed_in(request), pk)
    if found is None or found.status == Status.DRAFT:
        raise NotFound(_("There is no such application, or it is not yours."))
    if request.method == "POST":
        posted(request, lambda: _done(request, found))
        return redirect("access:hand_over", found.pk)
    context = {
        "application": found,
        "gate": found.gate,
        "heirs": handing.heirs(found),
        "offer": Handover.objects.waiting().filter(application=found).select_related("member").first(),
    }
    return render(request, "access/hand_over.html", context)


def _done(request: HttpRequest, application: Application) -> str:
    user, verb = signed_in(request), request.POST.get("verb", "")
    if verb == "withdraw":
        actions.withdraw_handover(by=user, application=application)
        return _("Taken back. You go on leading the project.")
    if verb != "offer" or not request.POST.get("person"):
        raise Conflict(_("Choose to whom you offer the project."), code="nobody_chosen")
    absent = _("There is nobody of that number on this team.")
    member = one_of(application.members.all(), request.POST["person"], absent)
    actions.offer_handover(by=user, application=application, member=member)
    return _("Offered. %(name)s is told by mail, and has 14 days to answer.") % {"name": member.name}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def take_over(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What taking over means, the whole agreement, then one's own name and capacity; or no."""
    user = signed_in(request)
    found = handing.offered_to(user, Handover.objects.filter(pk=pk).first())
    if request.POST.get("verb") == "decline":
        actions.decline_handover(by=user, handover=found)
        messages.success(request, _("Declined. Your access stays as it is."))
        return redirect("people:me")
    version = found.application.gate.agreement.current()
    if version is None:
        raise Conflict(_("The agreement has no published text yet. Write to the lab."), code="no_text")
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("typed_name", "capacity", "text_sha256")}
        try:
            actions.accept_handover(by=user, handover=found, **typed)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Signed. You lead the project now."))
            return redirect("access:team", found.application_id)
    labels = {"typed_name": _("Type your full name"), "capacity": _("In what capacity?")}
    context = {
        "offer": found,
        "gate": found.application.gate,
        "lead": found.grant.user.get_full_name(),
        "project": found.grant.project,
        "until": found.member.grant.ends_at if found.member.grant else None,
        "version": version,
        "typed": request.POST,
        **forms.marked(problems, labels),
    }
    return render(request, "access/take_over.html", context, status=422 if problems else 200)
