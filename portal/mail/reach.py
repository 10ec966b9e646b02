"""Whether mail reaches an address: what a mail service tells, and what a person shows. The writers of Sent and Unreachable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.mail.models import Sent, State, Told, Unreachable
from portal.mail.signals import reach_changed

FOLLOWS: Final = {
    State.SENT: {State.DELAYED, State.DELIVERED, State.REFUSED, State.BOUNCED, State.COMPLAINED},
    State.DELAYED: {State.DELIVERED, State.REFUSED, State.BOUNCED, State.COMPLAINED},
    State.DELIVERED: {State.BOUNCED, State.COMPLAINED},
    State.REFUSED: {State.BOUNCED, State.COMPLAINED},
    State.BOUNCED: {State.COMPLAINED},
}
"""Which state may follow which: events come late and out of order, and a bounce after a delivery is the truth."""
FINAL: Final = {State.BOUNCED: Unreachable.Why.BOUNCED, State.COMPLAINED: Unreachable.Why.COMPLAINED}
"""The states after which nothing more is sent to an address."""


@dataclass(frozen=True, slots=True)
class Report:
    """One event of a mail service, in our words. `key` is the same however often the event is told."""

    key: str
    state: State
    address: str
    message_id: str
    at: datetime


def is_unreachable(address: str) -> bool:
    """Whether mail to this address is withheld."""
    return Unreachable.objects.filter(address=address.lower(), reached_at=None).exists()


def remember(*, address: str, letter: str, message_id: str = "", state: State = State.SENT) -> Sent:
    """Keep that a mail was handed over, or withheld."""
    return Sent.objects.create(address=address.lower(), letter=letter, message_id=message_id, state=state)


@transaction.atomic
def note(report: Report) -> bool:
    """Take one event in, once; False where it was told before, or is about an address that we never wrote to.

    An unknown message of a known address counts for the address: services that are reached by SMTP give ids of their own.
    """
    address = report.address.lower()
    if not Sent.objects.filter(address=address).exists():
        return False
    _told, new = Told.objects.get_or_create(digest=hashlib.sha256(report.key.encode()).hexdigest())
    if not new:
        return False
    sent = Sent.objects.select_for_update().filter(message_id=report.message_id, address=address).first()
    if report.message_id and sent and report.state in FOLLOWS.get(State(sent.state), ()):
        sent.state, sent.state_at = report.state, report.at
        sent.save(update_fields=["state", "state_at"])
    if report.state in FINAL:
        mark(address=address, why=FINAL[report.state], at=report.at)
    return True


@transaction.atomic
def mark(*, address: str, why: Unreachable.Why, at: datetime) -> bool:
    """Withhold mail from an address; False where it is withheld, or was reached again after that moment."""
    if Unreachable.objects.filter(address=address, reached_at__gte=at).exists():
        return False
    _row, new = Unreachable.objects.get_or_create(address=address, reached_at=None, defaults={"why": why, "since": at})
    if new:
        reach_changed.send(sender=Unreachable, address=address, why=why, at=at)
    return new


@transaction.atomic
def reached(*, address: str) -> bool:
    """Send to an address again: its person followed a link that was mailed there. False where nothing was withheld."""
    now = timezone.now()
    rows = Unreachable.objects.filter(address=address.lower(), reached_at=None).update(reached_at=now)
    if rows:
        reach_changed.send(sender=Unreachable, address=address.lower(), why="", at=now)
    return bool(rows)
