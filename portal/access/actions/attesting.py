"""The yearly word of an official that the roster is right, and the notices that ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.access import lifetime
from portal.access.actions import institutional_moves
from portal.access.actions.gates import bump_gate
from portal.access.institutional import ATTESTATION_OPENS, GRACE, STANDING, YEAR, Line, Verb, next_attestation
from portal.access.institutional_models import AttestationNotice, InstitutionalAgreement, RosterAttestation
from portal.access.models import Grant
from portal.audit.events import Event
from portal.errors import Conflict
from portal.mail import sending
from portal.people.models import User

LAPSED: Final = -GRACE.days
"""The notice of the day on which the seats stopped."""


@transaction.atomic
def attest_roster(*, by: User, agreement: InstitutionalAgreement, expected: int) -> RosterAttestation:
    """Confirm that everybody with a seat works at the institution; access goes on, or comes back at once.

    `expected` is the agreement's `version` as the official read it. Raises Conflict when the roster changed since,
    before the time for it, and without fresh evidence that the official works there.
    """
    locked, now = institutional_moves.lock(agreement), timezone.now()
    institutional_moves.check(locked, Verb.ATTEST, by)
    institutional_moves.evidence(by, locked)
    answered, _lapses = _dates(locked)
    if now < answered - ATTESTATION_OPENS:
        raise Conflict(
            _("The roster can be attested from %(day)s on.") % {"day": date_format(answered - ATTESTATION_OPENS)},
            code="too_early",
        )
    if locked.version != expected:
        raise Conflict(_("The roster changed since you opened it. Read it again, then confirm."), code="stale")
    made = RosterAttestation.objects.create(agreement=locked, by=by, at=now, due=answered, seated=locked.taken)
    locked.attest_by = next_attestation(answered, now)
    locked.lapses_at = locked.attest_by + GRACE
    locked.save(update_fields=["attest_by", "lapses_at"])
    institutional_moves.record(Event.ROSTER_ATTESTED, locked, by, seated=made.seated, until=locked.attest_by)
    _tell_resumed(locked, answered)
    bump_gate(locked.gate)
    return made


def attestations_to_announce(now: datetime) -> list[InstitutionalAgreement]:
    """Agreements whose officials have a notice to come. One query; a year's agreements are few."""
    rows = InstitutionalAgreement.objects.to_attest(now).prefetch_related("notices")
    return [each for each in rows if (days := due(each, now)) is not None and not _was_sent(each, days)]


def _was_sent(agreement: InstitutionalAgreement, days: int) -> bool:
    return any((each.due, each.days) == (agreement.attest_by, days) for each in agreement.notices.all())


def due(agreement: InstitutionalAgreement, now: datetime) -> int | None:
    """The notice whose time it is, in days before the attestation is due; LAPSED once the seats have stopped."""
    if agreement.attest_by is None or agreement.state(now) not in STANDING:
        return None
    if agreement.lapses_at is not None and agreement.lapses_at <= now:
        return LAPSED
    since = agreement.attest_by - YEAR
    return lifetime.due(lifetime.EXPIRY_DAYS, deadline=agreement.attest_by, since=since, now=now)


@transaction.atomic
def announce_attestation(*, agreement: InstitutionalAgreement) -> bool:
    """Send the one notice that is due and was not sent; whether one was. The schedule calls it."""
    locked, now = institutional_moves.lock(agreement), timezone.now()
    days = due(locked, now)
    if days is None:
        return False
    deadline, lapses = _dates(locked)
    sent = {"agreement": locked, "due": deadline, "days": days}
    _notice, created = AttestationNotice.objects.get_or_create(**sent, defaults={"sent_at": now})
    if created:
        institutional_moves.record(Event.ROSTER_NOTICE_SENT, locked, None, days=days)
        path = reverse("access:attest", args=[locked.pk])
        dates = {"due": sending.moment(deadline), "lapses": sending.moment(lapses)}
        if days == LAPSED:
            institutional_moves.tell_official(locked, "attestation_lapsed", path, seats=locked.taken, **dates)
            _tell_seated(locked)
        else:
            more = {**dates, "overdue": days == 0}
            institutional_moves.tell_official(locked, "attestation_due", path, seats=locked.taken, **more)
    return created


def _tell_seated(agreement: InstitutionalAgreement) -> None:
    """To everybody with a seat: it has stopped, through no fault of theirs, and who can bring it back."""
    for line in agreement.roster.filter(status=Line.SEATED).select_related("user", "grant"):
        if line.user and line.grant:
            institutional_moves.tell(agreement, "seat_stopped", line.user, line.grant.get_absolute_url())


def _tell_resumed(agreement: InstitutionalAgreement, due: datetime) -> None:
    """To everybody who was told that their seat stopped, and whose right is whole now: it works again."""
    if not AttestationNotice.objects.filter(agreement=agreement, due=due, days=LAPSED).exists():
        return
    lines = agreement.roster.filter(status=Line.SEATED, grant__in=Grant.objects.active())
    for line in lines.select_related("user", "grant"):
        if line.user and line.grant:
            institutional_moves.tell(agreement, "seat_resumed", line.user, line.grant.get_absolute_url())


def _dates(agreement: InstitutionalAgreement) -> tuple[datetime, datetime]:
    """When the attestation is due, and when access stops without it; a signed agreement has both."""
    if agreement.attest_by is None or agreement.lapses_at is None:
        raise Conflict(_("The agreement is not signed."), code="wrong_state")
    return agreement.attest_by, agreement.lapses_at


@transaction.atomic
def record_roster_export(*, by: User, agreement: InstitutionalAgreement, rows: int) -> None:
    """Leave an entry that a roster is about to leave as a file."""
    institutional_moves.record(Event.ROSTER_EXPORTED, agreement, by, rows=rows)
