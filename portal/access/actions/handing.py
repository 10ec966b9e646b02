"""A project is handed over: its lead offers it to a member of the team, who takes it by a signature of their own (ADR 24).

Whoever acts holds the application, then the lead's grant, then the member's, then the offer: in this order nobody waits
in a ring with those who take a member off the team, end a grant, or sign.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import leading
from portal.access.actions import admitting, grant_moves, moves, offers, renewing, teaming
from portal.access.application_models import Application
from portal.access.handover_models import Handover
from portal.access.handovers import HandoverStatus, HandoverVerb, Party, next_status
from portal.access.lifetime_models import GrantStep
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import Grant, GrantQuerySet
from portal.agreements import actions as agreements
from portal.audit.events import Event
from portal.errors import Conflict, NotFound
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.models import MANAGERS, User
from portal.projects import actions as projects


def heirs(application: Application) -> list[Member]:
    """The members to whom its project can be offered now: they hold access that rests on the lead's."""
    lead = leading.grant_of(application)
    rows = Member.objects.filter(application=application, status=MemberStatus.ACCEPTED)
    return list(rows.filter(grant__in=_resting(lead)).select_related("user")) if lead and _active(lead) else []


def _resting(lead: Grant) -> GrantQuerySet:
    return Grant.objects.active().filter(lead=lead)


def _active(grant: Grant) -> bool:
    return Grant.objects.active().filter(pk=grant.pk).exists()


@transaction.atomic
def offer_handover(*, by: User, application: Application, member: Member) -> Handover:
    """Offer the project to a member of the team, who has OFFER_LIFE to answer. Nothing changes until they accept.

    Raises NotFound to everybody but the lead, Conflict while another offer is open (`already_offered`), and where one of
    the two holds no access today (`no_access`): paused, over, or waiting for a signature.
    """
    locked = teaming.led(application, by)
    lead = _lead(locked)
    found = Member.objects.select_related("user").get(pk=member.pk, application=locked)
    _require_access(lead, found)
    open_one = Handover.objects.filter(application=locked, status=HandoverStatus.OFFERED).first()
    if open_one is not None and not lapse_handover(handover=open_one):
        raise Conflict(_("The project is offered to somebody already. Take that back first."), code="already_offered")
    made = Handover.objects.create(application=locked, grant=lead, member=found, offered_at=timezone.now())
    offers.record(Event.HANDOVER_OFFERED, made, by)
    _tell_member(made, "handover_offered", made.get_absolute_url(), until=sending.moment(made.until))
    return made


@transaction.atomic
def withdraw_handover(*, by: User, application: Application) -> Handover:
    """Take the open offer back. Raises NotFound to everybody but the lead, Conflict where none is open."""
    locked = teaming.led(application, by)
    found = Handover.objects.waiting().filter(application=locked).first()
    if found is None:
        raise Conflict(_("No offer is open. Reload the page."), code="nothing_waits")
    handover = offers.lock(found)
    offers.close(handover, HandoverVerb.WITHDRAW, Party.LEAD, by)
    _tell_member(handover, "handover_withdrawn", "/me/")
    return handover


def offered_to(by: User, handover: Handover | None) -> Handover:
    """The offer, if it is to this person and can be answered. Raises NotFound."""
    known = Handover.objects.waiting().filter(pk=handover.pk, member__user=by) if handover else None
    found = (
        known.select_related("application__gate__lab", "application__gate__agreement", "member").first()
        if known
        else None
    )
    if found is None:
        raise NotFound(_("There is no such offer to you, or it was answered, taken back or has run out."))
    return found


@transaction.atomic
def decline_handover(*, by: User, handover: Handover) -> Handover:
    """Say no: everything stays as it is, and the lead is told."""
    found = offered_to(by, handover)
    moves.lock(found.application)
    locked = offers.lock(found)
    offers.close(locked, HandoverVerb.DECLINE, Party.MEMBER, by)
    _tell_lead(locked, "declined")
    return locked


@transaction.atomic
def accept_handover(*, by: User, handover: Handover, typed_name: str, capacity: str, text_sha256: str) -> Handover:
    """Take the project over: sign the agreement's present text as its lead. The lead before leaves with it.

    The member's own grant becomes the one that the team rests on. It opens what it opened and ends when it ended; the grant
    of the lead before ends now, and asks for the deletion of copies. Raises NotFound for an offer that is not open to this
    person, Conflict where one of the two holds no access today, and what `agreements.sign` raises.
    """
    found = offered_to(by, handover)
    application = moves.lock(found.application)
    lead = grant_moves.lock(found.grant)
    grant_moves.hold_for_new(by, application.gate)
    locked = offers.lock(found)
    _require_access(lead, locked.member)
    own, version = locked.member.grant, application.gate.agreement.current()
    if own is None or version is None or next_status(locked.status, HandoverVerb.ACCEPT, Party.MEMBER) is None:
        raise Conflict(_("This offer was answered or taken back meanwhile. Reload the page."), code="wrong_status")
    before = lead.user
    particulars = {
        "gate": application.gate.title, "application": application.reference, "project": lead.project.title,
        "taken_over_from": before.get_full_name(), **own.facts(),
    }  # fmt: skip
    locked.signature = agreements.sign(
        by=by, version=version, typed_name=typed_name, capacity=capacity, text_sha256=text_sha256,
        application=str(application.pk), particulars=particulars,
    )  # fmt: skip
    offers.close(locked, HandoverVerb.ACCEPT, Party.MEMBER, by)
    teaming.take_over(by=by, member=locked.member)
    _hand_over(lead, own, by)
    _tell_all(locked, lead, own)
    return locked


def _hand_over(lead: Grant, own: Grant, by: User) -> None:
    """The member's grant stands by itself, and the team's rest on it; then the lead's ends."""
    now = timezone.now()
    own.lead = None
    own.save(update_fields=["lead"])
    Grant.objects.standing().filter(lead=lead).update(lead=own)
    renewing.lapse(lead)
    ended = grant_moves.end(lead, now)
    grant_moves.ask_for_deletion(lead, now)
    lead.save(update_fields=[*ended, "deletion_due_at"])
    GrantStep.objects.create(grant=lead, verb="handed_over", by=lead.user, at=now)
    GrantStep.objects.create(grant=own, verb="took_over", by=by, at=now)
    projects.hand_over(project=lead.project, to=by, by=by)
    projects.leave(project=lead.project, user=lead.user)
    bump_user(lead.user)
    bump_user(by)
    admitting.changed(own)


@transaction.atomic
def lapse_handover(*, handover: Handover) -> bool:
    """Close an offer that nobody answered in its time, and tell who made it; whether it was. The schedule calls it."""
    moves.lock(handover.application)
    locked = offers.lock(handover)
    over = locked.until <= timezone.now()
    if not over or next_status(locked.status, HandoverVerb.LAPSE, Party.CLOCK) is None:
        return False
    offers.close(locked, HandoverVerb.LAPSE, Party.CLOCK, None)
    _tell_lead(locked, "lapsed")
    return True


def _lead(application: Application) -> Grant:
    found = leading.grant_of(application)
    if found is None:
        raise Conflict(_("Access begins first: sign the agreement, and your team with you."), code="no_access")
    return grant_moves.lock(found)


def _require_access(lead: Grant, member: Member) -> None:
    """Both hold access today by every condition of the rule, and the member's rests on this lead's."""
    rests = member.status == MemberStatus.ACCEPTED and _resting(lead).filter(membership=member).exists()
    if not rests or not _active(lead):
        raise Conflict(
            _(
                "A project is handed over while both hold access. Somebody’s is over, paused, or waits for a "
                "signature under the agreement’s present text."
            ),
            code="no_access",
        )


def _tell_member(handover: Handover, template: str, path: str, **more: Any) -> None:
    reader = handover.member.user
    if reader is not None:
        lead = handover.grant.user.get_full_name()
        moves.write(reader, template, handover.application, path, lead=lead, **more)


def _tell_lead(handover: Handover, outcome: str, **more: Any) -> None:
    path = handover.grant.get_absolute_url()
    told = {"member": handover.member.user.get_full_name() if handover.member.user else "", "outcome": outcome}
    moves.write(
        handover.grant.user, "handover_answered", handover.application, path, **{"deletion_due": "", **told, **more}
    )


def _tell_all(handover: Handover, lead: Grant, own: Grant) -> None:
    """Who handed over, who took over, the rest of the team, and the managers of the lab."""
    _tell_lead(handover, "accepted", deletion_due=sending.moment(lead.deletion_due_at))
    told = {"lead": own.user.get_full_name(), "before": lead.user.get_full_name()}
    receipt = handover.signature.reference if handover.signature else ""
    path = reverse("access:team", args=[handover.application_id])
    moves.write(own.user, "project_taken_over", handover.application, path, receipt=receipt, **told)
    for grant in Grant.objects.standing().filter(lead=own).select_related("user").order_by("pk"):
        moves.write(grant.user, "project_handed_over", handover.application, grant.get_absolute_url(), **told)
    for manager in grant_moves.staff(own, MANAGERS):
        path = reverse("access:grant", args=[own.pk])
        moves.write(manager, "project_handed_over", handover.application, path, **told)
