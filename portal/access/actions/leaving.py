"""What becomes of access when somebody is erased: nobody waits for them, nothing rests on them, and no seat is theirs."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from portal.access import roster
from portal.access.actions import admitting, applying, grant_moves, institutional_moves, renewing, succeeding, teaming
from portal.access.application_models import Application
from portal.access.institutional import ON_ROSTER, LineVerb, Party
from portal.access.institutional_models import RosterLine
from portal.access.lifetime import STANDING, RenewalStatus
from portal.access.lifetime_models import GrantStep
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import Grant
from portal.access.workflow import Status
from portal.people.actions import bump_user
from portal.people.models import User
from portal.projects import actions as projects


def leave(*, by: User) -> None:
    """Take back what the person asked for and end what they hold; inside the transaction that erases them.

    An appeal is left to its reviewers, as nobody can take one back. Nobody is asked to attest deletion: there is nobody.
    """
    open_ones = Application.objects.open().filter(applicant=by).exclude(status=Status.APPEALED)
    for application in open_ones.order_by("pk"):
        applying.withdraw(by=by, application=application)
    for member in Member.objects.filter(user=by, status=MemberStatus.ACCEPTED).order_by("pk"):
        teaming.leave_team(by=by, member=member)
    held = Q(pk__in=Grant.objects.standing()) | Q(renewals__status=RenewalStatus.SUBMITTED)
    for grant in Grant.objects.filter(held, user=by).distinct().order_by("pk"):
        _end(grant, by)
    for line in roster.lines_of(by).filter(status__in=ON_ROSTER).order_by("pk"):
        _off(line)
    succeeding.withdraw_unsigned(by)
    succeeding.tell_unattended(by)


def _end(grant: Grant, by: User) -> None:
    locked, now = grant_moves.lock(grant), timezone.now()
    renewing.lapse(locked)
    if locked.state(now) in STANDING:
        locked.save(update_fields=grant_moves.end(locked, now))
        GrantStep.objects.create(grant=locked, verb="holder_left", by=by, at=now)
        institutional_moves.vacate(locked)
        bump_user(locked.user)
    if locked.lead_id:
        projects.leave(project=locked.project, user=locked.user)
    admitting.end_team(locked, by)
    admitting.run_out(locked, now)


def _off(line: RosterLine) -> None:
    locked, found = institutional_moves.lock_line(line)
    institutional_moves.move_line(found, LineVerb.LEAVE, Party.CLOCK)
    institutional_moves.roster_changed(locked)
