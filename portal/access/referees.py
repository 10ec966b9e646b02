"""Who is asked to confirm an application, as one table: (status, verb) → (next status, who may do it). Plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class RefereeStatus(StrEnum):
    """Where a referee stands."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """Says that they do not know the applicant."""
    EXPIRED = "expired"
    REPLACED = "replaced"


class RefereeVerb(StrEnum):
    """What can be done about a referee."""

    CONFIRM = "confirm"
    DECLINE = "decline"
    DISOWN = "disown"
    REMIND = "remind"
    REPLACE = "replace"
    EXPIRE = "expire"


class Party(StrEnum):
    """Who acts. Whoever has the mailed link is the referee; no account is needed."""

    APPLICANT = "applicant"
    REFEREE = "referee"
    CLOCK = "clock"


APPLICANT: Final = frozenset({Party.APPLICANT})
REFEREE: Final = frozenset({Party.REFEREE})
CLOCK: Final = frozenset({Party.CLOCK})

TABLE: Final[dict[tuple[RefereeStatus, RefereeVerb], tuple[RefereeStatus, frozenset[Party]]]] = {
    (RefereeStatus.ASKED, RefereeVerb.CONFIRM): (RefereeStatus.CONFIRMED, REFEREE),
    (RefereeStatus.ASKED, RefereeVerb.DECLINE): (RefereeStatus.DECLINED, REFEREE),
    (RefereeStatus.ASKED, RefereeVerb.DISOWN): (RefereeStatus.UNKNOWN, REFEREE),
    (RefereeStatus.ASKED, RefereeVerb.REMIND): (RefereeStatus.ASKED, APPLICANT | CLOCK),
    (RefereeStatus.ASKED, RefereeVerb.REPLACE): (RefereeStatus.REPLACED, APPLICANT),
    (RefereeStatus.ASKED, RefereeVerb.EXPIRE): (RefereeStatus.EXPIRED, CLOCK),
    (RefereeStatus.EXPIRED, RefereeVerb.REMIND): (RefereeStatus.ASKED, APPLICANT),
    (RefereeStatus.EXPIRED, RefereeVerb.REPLACE): (RefereeStatus.REPLACED, APPLICANT),
}

NAMED: Final = frozenset({RefereeStatus.ASKED, RefereeStatus.CONFIRMED, RefereeStatus.EXPIRED})
"""Holds one of the places that the gate asks for."""
ANSWERS: Final = (RefereeVerb.CONFIRM, RefereeVerb.DECLINE, RefereeVerb.DISOWN)

LINK_LIFE: Final = timedelta(days=21)
"""How long a referee can answer after being asked, or asked again by the applicant."""
REMIND_AFTER: Final = (timedelta(days=7), timedelta(days=14))
"""When the schedule reminds, counted from the same moment."""


def next_status(status: str, verb: RefereeVerb, party: Party) -> RefereeStatus | None:
    """The status that `verb` leads to; None when the table has no such row for this party."""
    row = TABLE.get((RefereeStatus(status), verb))
    return None if row is None or party not in row[1] else row[0]


def verbs(status: str, parties: Iterable[Party]) -> tuple[RefereeVerb, ...]:
    """What any of `parties` may do now, in the order of the table: the buttons of a page."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in TABLE.items() if at == status and known & may)


def reminders_due(expires_at: datetime, now: datetime) -> int:
    """How many of the schedule's reminders have come by now."""
    return sum(expires_at - LINK_LIFE + after <= now for after in REMIND_AFTER)
