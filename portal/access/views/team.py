"""The team's pages: the lead's list, and the invited person's answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, forms, leading, mailed_links
from portal.access.actions import teaming
from portal.access.application_models import Application
from portal.access.lifetime import STANDING
from portal.access.member_models import Member
from portal.access.members import ON_TEAM
from portal.access.views.named import one_of, posted
from portal.access.workflow import Status
from portal.errors import Conflict, Invalid, NotFound
from portal.people.second_factor import step_up
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Who is on the team and what they answered; POST invites, reminds or removes."""
    user = signed_in(request)
    found = leading.led_by(user, pk)
    if found is None or found.status == Status.DRAFT:
        raise NotFound(_("There is no such application, or it is not yours."))
    if leaving := _to_ask_about(request, found):
        about = {"application": found, "gate": found.gate, "member": leaving}
        return render(request, "access/member_remove.html", about)
    problems = posted(request, lambda: _done(request, found)) if request.method == "POST" else {}
    if request.method == "POST" and not problems:
        return redirect("access:team", found.pk)
    members = list(found.members.select_related("grant__lead", "grant__gate"))
    context = {
        "application": found,
        "gate": found.gate,
        "members": members,
        "places": found.gate.team_limit - sum(each.status in ON_TEAM for each in members),
        "open": teaming.is_open(found),
        "applied": found.applicant_id == user.pk,
        "may_hand_over": found.status == Status.GRANTED and teaming.is_open(found),
        "typed": request.POST if problems else {},
        **forms.marked(problems, {"name": _("Name"), "email": _("Address")}),
    }
    return render(request, "access/team.html", context, status=422 if problems else 200)


def _to_ask_about(request: HttpRequest, application: Application) -> Member | None:
    """The member whose access would end by this press of a button, until the lead has said that they mean it."""
    if request.method != "POST" or request.POST.get("verb") != "remove" or request.POST.get("sure"):
        return None
    member = _member(request, application)
    return member if member.grant and member.grant.state() in STANDING else None


def _member(request: HttpRequest, application: Application) -> Member:
    absent = _("There is nobody of that number on this team.")
    return one_of(application.members.select_related("grant__lead"), request.POST.get("person", ""), absent)


def _done(request: HttpRequest, application: Application) -> str:
    user, verb = signed_in(request), request.POST.get("verb", "")
    if verb == "invite":
        asked = {name: request.POST.get(name, "") for name in ("name", "email")}
        made = actions.invite(by=user, application=application, **asked)
        return _("%(name)s is asked by mail.") % {"name": made.name}
    if verb not in {"remind", "remove"}:
        raise Conflict(_("Choose what to do."), code="no_verb")
    member = _member(request, application)
    if verb == "remind":
        actions.remind_member(by=user, member=member)
        return _("%(name)s has a new link in the mail; the one before works no longer.") % {"name": member.name}
    actions.remove_member(by=user, member=member)
    return _("%(name)s is off the team.") % {"name": member.name}


@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Who asks, for what, and what accepting means; POST declines. For whoever has the link: no account is needed."""
    found = teaming.of_secret(secret)
    if request.method == "POST":
        actions.decline_invitation(secret=secret)
        return render(request, "access/invitation_declined.html", {"lead": found.application.lead.get_full_name()})
    own = request.user.is_authenticated and mailed_links.has_shown(signed_in(request), found.email)
    context = {"secret": secret, "other_account": request.user.is_authenticated and not own, **_invited(found)}
    return render(request, "access/invitation.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """The whole agreement, then one's own name and capacity."""
    user = signed_in(request)
    found = teaming.of_secret(secret)
    teaming.require_addressee(user, found)
    version = found.application.gate.agreement.current()
    if version is None:
        raise Conflict(_("The agreement has no published text yet. Write to the lab."), code="no_text")
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("typed_name", "capacity", "text_sha256")}
        try:
            member = actions.accept_invitation(by=user, secret=secret, **typed)
        except Invalid as error:
            problems = error.fields
        else:
            begun = member.grant is not None
            messages.success(
                request, _("Signed. Your access has begun.") if begun else _("Signed. You are on the team.")
            )
            return redirect("agreements:receipt", member.signature.receipt_id) if member.signature else redirect("/me/")
    labels = {"typed_name": _("Type your full name"), "capacity": _("In what capacity?")}
    context = {
        "secret": secret,
        "version": version,
        "typed": request.POST,
        **forms.marked(problems, labels),
        **_invited(found),
    }
    return render(request, "access/undertaking.html", context, status=422 if problems else 200)


def _invited(member: Member) -> dict[str, Any]:
    """What an invited person is told: who asks and for which gate. Nothing that was answered."""
    application = member.application
    return {
        "gate": application.gate,
        "lead": application.lead.get_full_name(),
        "granted": application.status == Status.GRANTED,
        "named": member.name,
    }
