"""The grants of a team: each member's rests on the lead's, begins once both have signed, and ends with it at the latest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.actions import grant_moves, offers
from portal.access.application_models import Application
from portal.access.lifetime import STANDING
from portal.access.lifetime_models import GrantStep
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import Grant, GrantQuerySet
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.models import User
from portal.projects import actions as projects


def admit_team(application: Application, grant: Grant) -> None:
    """Admit whoever has accepted by now; inside the transaction of the lead's signature."""
    waiting = Member.objects.filter(application=application, status=MemberStatus.ACCEPTED, grant=None)
    for member in waiting.select_related("user"):
        admit(member, grant)


def admit(member: Member, lead: Grant) -> Grant | None:
    """Give an accepted member a grant that rests on `lead`; None to one who holds access at this gate already, or from
    whom the lab took it.

    Raises Conflict when the lead's grant is over. A suspended one admits: the member waits with the lead.
    """
    locked = grant_moves.lock(lead)
    user = member.user
    if user is None or locked.state() not in STANDING:
        raise Conflict(_("The grant of this team is over."), code="grant_ended")
    held = Grant.objects.filter(user=user, gate=locked.gate_id)
    if held.standing().exists() or grant_moves.taken_away(user, locked.gate):
        return None
    held.filter(revoked_at=None, closed_out_at=None).update(deletion_due_at=None)
    projects.join(project=locked.project, user=user)
    given = Grant.objects.create(
        project=locked.project, user=user, gate=locked.gate, lead=locked,
        capabilities=locked.capabilities, starts_at=timezone.now(), ends_at=locked.ends_at,
    )  # fmt: skip
    member.grant = given
    member.save(update_fields=["grant"])
    facts: dict[str, Any] = {"gate": given.gate.slug, "lead": str(locked.pk), "until": given.ends_at}
    trail.record(Event.GRANT_GIVEN, by=user, target=given, lab=given.gate.lab, **facts)
    bump_user(user)
    until = sending.moment(given.ends_at)
    grant_moves.tell(given, "member_admitted", given.get_absolute_url(), lead=locked.user.get_full_name(), until=until)
    return given


def end(grant: Grant, by: User | None, verb: str) -> None:
    """End one member's grant now, and ask for the deletion of copies. A grant that is over stays as it is."""
    locked, now = grant_moves.lock(grant), timezone.now()
    projects.leave(project=locked.project, user=locked.user)
    if locked.state(now) not in STANDING:
        return
    ended = grant_moves.end(locked, now)
    grant_moves.ask_for_deletion(locked, now)
    locked.save(update_fields=[*ended, "deletion_due_at"])
    GrantStep.objects.create(grant=locked, verb=verb, by=by, at=now)
    bump_user(locked.user)
    _tell_end(locked)


def _tell_end(grant: Grant) -> None:
    due = sending.moment(grant.deletion_due_at)
    grant_moves.tell(grant, "member_grant_ended", grant.get_absolute_url(), deletion_due=due)


def end_team(lead: Grant, by: User | None) -> None:
    """End every grant that rests on one that is over for good, and the offers about it; inside that transaction."""
    offers.lapse_with(lead, by)
    for grant in _team(lead):
        end(grant, by, "end_with_lead")


def extend_team(lead: Grant, old_end: datetime) -> None:
    """Move the ends of a team's grants with the lead's; one that ended earlier by itself stays ended."""
    for grant in _team(lead).filter(ends_at=old_end, membership__status=MemberStatus.ACCEPTED):
        locked = grant_moves.lock(grant)
        if Grant.objects.after(locked).exists():
            continue
        locked.ends_at, locked.deletion_due_at = lead.ends_at, None
        locked.save(update_fields=["ends_at", "deletion_due_at"])
        GrantStep.objects.create(grant=locked, verb="extend_with_lead", by=None, at=timezone.now())
        bump_user(locked.user)


def run_out(lead: Grant, now: datetime) -> None:
    """Ask the members for the deletion that the lead is asked for, and tell them: the grants ended together, and stay so."""
    for grant in _team(lead).filter(ends_at__lte=now, deletion_due_at=None):
        grant_moves.ask_for_deletion(grant, now)
        if grant.deletion_due_at is not None:
            grant.save(update_fields=["deletion_due_at"])
            _tell_end(grant)


def changed(lead: Grant) -> None:
    """Announce that a lead's grant was paused or goes on: its members' rights changed in the same moment."""
    for grant in _team(lead):
        bump_user(grant.user)


def _team(lead: Grant) -> GrantQuerySet:
    rows = Grant.objects.filter(lead=lead, revoked_at=None, closed_out_at=None)
    return rows.select_related("gate", "user").order_by("pk")
