"""What runs by itself, safe to run twice: forgotten applications lapse, holders hear of new texts and of deadlines."""

from __future__ import annotations

from functools import partial

from celery import shared_task
from django.utils import timezone

from portal.access import actions
from portal.access.actions import attesting, calling, closing
from portal.access.application_models import Application
from portal.access.handover_models import Handover
from portal.access.member_models import Member
from portal.access.members import LINK_LIFE, MemberStatus
from portal.access.referee_models import Referee
from portal.access.referees import RefereeStatus
from portal.access.signing_models import Occasion
from portal.access.workflow import PATIENCE, WAITS_FOR_APPLICANT
from portal.agreements.models import Version
from portal.errors import Conflict
from portal.people.models import User
from portal.sweeps import sweep


@shared_task
def lapse_forgotten() -> int:
    """Lapse what nobody has touched for 30 days, though they could: a closed lab takes nothing. Returns how many lapsed."""
    waiting = Application.objects.filter(status__in=WAITS_FOR_APPLICANT, gate__lab__is_active=True)
    forgotten = waiting.filter(updated_at__lt=timezone.now() - PATIENCE)
    return sweep(forgotten.select_related("applicant", "gate__lab"), _lapse)


def _lapse(application: Application) -> bool:
    try:
        actions.lapse(application=application, expected=application.version)
    except Conflict:  # the applicant acted first
        return False
    return True


@shared_task
def call_for_signatures() -> int:
    """Ask every holder who has yet to sign a new version, once on each occasion; returns how many mails that made."""
    now = timezone.now()
    return sum(
        sweep(calling.to_call(version, occasion), partial(_call, version, occasion))
        for version in calling.calling_versions(now)
        for occasion in calling.occasions(version, now)
    )


def _call(version: Version, occasion: Occasion, user: User) -> int:
    return actions.call_to_sign(user=user, grant=vars(user)["held"], version=version, occasion=occasion)


@shared_task
def announce_expiries() -> int:
    """Tell holders that a grant ends in 60, 30 or 7 days or has ended: the latest step only, each once. How many told."""
    return sweep(closing.expiries_to_announce(timezone.now()), lambda grant: actions.announce_expiry(grant=grant))


@shared_task
def remind_of_deletions() -> int:
    """Remind holders of a deletion that is due in 7 days or 1, or overdue: the latest step only, each once. How many."""
    return sweep(closing.deletions_to_remind_of(timezone.now()), lambda grant: actions.remind_of_deletion(grant=grant))


@shared_task
def lapse_invitations() -> int:
    """Close invitations that nobody answered in 14 days; the lead may send them again. How many closed."""
    silent = Member.objects.filter(status=MemberStatus.INVITED, sent_at__lte=timezone.now() - LINK_LIFE)
    return sweep(silent.select_related("application"), lambda member: actions.lapse_invitation(member=member))


@shared_task
def lapse_handovers() -> int:
    """Close offers of a project that nobody answered in 14 days, and tell their leads. How many closed."""
    silent = Handover.objects.silent().select_related("application")
    return sweep(silent, lambda handover: actions.lapse_handover(handover=handover))


@shared_task
def remind_referees() -> int:
    """Remind referees a week and two weeks after they were asked, each once. How many were reminded."""
    asked = Referee.objects.filter(status=RefereeStatus.ASKED, expires_at__gt=timezone.now())
    return sweep(asked.select_related("application"), lambda referee: actions.remind_by_schedule(referee=referee))


@shared_task
def expire_referees() -> int:
    """Close requests that no referee answered in three weeks, and tell the applicants. How many closed."""
    silent = Referee.objects.filter(status=RefereeStatus.ASKED, expires_at__lte=timezone.now())
    return sweep(silent.select_related("application"), lambda referee: actions.expire_referee(referee=referee))


@shared_task
def announce_attestations() -> int:
    """Ask officials to confirm their rosters: 60, 30 and 7 days before, on the day, and when the seats stop; each once. How many."""
    waiting = attesting.attestations_to_announce(timezone.now())
    return sweep(waiting, lambda agreement: actions.announce_attestation(agreement=agreement))
