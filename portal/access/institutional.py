"""The life of an institutional agreement and of a line on its roster, as two tables: (state, verb) → (next, who).

Guard, buttons and tests read these tables; the database repeats them in constraints. Plain Python. Also here: the
periods of the yearly attestation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an institutional agreement stands."""

    ASKED = "asked"
    OFFERED = "offered"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    ENDED = "ended"
    REVOKED = "revoked"


class Verb(StrEnum):
    """What can be done to one."""

    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    SIGN = "sign"
    INVITE = "invite"
    REMOVE = "remove"
    ATTEST = "attest"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    END = "end"
    NAME = "name"


class Party(StrEnum):
    """Who acts. An official who works for the lab is only the official of the own institution's agreement."""

    OFFICIAL = "official"
    MANAGER = "manager"
    PERSON = "person"
    """Whom a line of the roster is about."""
    CLOCK = "clock"
    """What follows from somebody's move elsewhere: nobody's decision."""


OFFICIAL: Final = frozenset({Party.OFFICIAL})
MANAGER: Final = frozenset({Party.MANAGER})
PERSON: Final = frozenset({Party.PERSON})
CLOCK: Final = frozenset({Party.CLOCK})

TABLE: Final[dict[tuple[Status, Verb], tuple[Status, frozenset[Party]]]] = {
    (Status.ASKED, Verb.APPROVE): (Status.OFFERED, MANAGER),
    (Status.ASKED, Verb.DECLINE): (Status.DECLINED, MANAGER),
    (Status.ASKED, Verb.WITHDRAW): (Status.WITHDRAWN, OFFICIAL),
    (Status.OFFERED, Verb.SIGN): (Status.IN_FORCE, OFFICIAL),
    (Status.OFFERED, Verb.WITHDRAW): (Status.WITHDRAWN, OFFICIAL | MANAGER),
    (Status.IN_FORCE, Verb.SIGN): (Status.IN_FORCE, OFFICIAL),
    (Status.IN_FORCE, Verb.INVITE): (Status.IN_FORCE, OFFICIAL),
    (Status.IN_FORCE, Verb.REMOVE): (Status.IN_FORCE, OFFICIAL),
    (Status.IN_FORCE, Verb.ATTEST): (Status.IN_FORCE, OFFICIAL),
    (Status.IN_FORCE, Verb.END): (Status.ENDED, OFFICIAL),
    (Status.IN_FORCE, Verb.SUSPEND): (Status.SUSPENDED, MANAGER),
    (Status.IN_FORCE, Verb.REVOKE): (Status.REVOKED, MANAGER),
    (Status.SUSPENDED, Verb.SIGN): (Status.SUSPENDED, OFFICIAL),
    (Status.SUSPENDED, Verb.REMOVE): (Status.SUSPENDED, OFFICIAL),
    (Status.SUSPENDED, Verb.ATTEST): (Status.SUSPENDED, OFFICIAL),
    (Status.SUSPENDED, Verb.END): (Status.ENDED, OFFICIAL),
    (Status.SUSPENDED, Verb.RESUME): (Status.IN_FORCE, MANAGER),
    (Status.SUSPENDED, Verb.REVOKE): (Status.REVOKED, MANAGER),
    (Status.IN_FORCE, Verb.NAME): (Status.IN_FORCE, MANAGER),
    (Status.SUSPENDED, Verb.NAME): (Status.SUSPENDED, MANAGER),
}

OPEN: Final = frozenset({Status.ASKED, Status.OFFERED, Status.IN_FORCE, Status.SUSPENDED})
"""One such per institution and gate."""
SIGNED: Final = frozenset({Status.IN_FORCE, Status.SUSPENDED, Status.ENDED, Status.REVOKED})
"""Carries the official's signature, a period, and the dates of the attestation."""
STANDING: Final = frozenset({Status.IN_FORCE, Status.SUSPENDED})
"""Runs, or may run again."""


class Line(StrEnum):
    """Where a line of the roster stands."""

    ASKED = "asked"
    INVITED = "invited"
    SEATED = "seated"
    REFUSED = "refused"
    DECLINED = "declined"
    REMOVED = "removed"


class LineVerb(StrEnum):
    """What can be done to a line of the roster."""

    ADMIT = "admit"
    REFUSE = "refuse"
    INVITE_AGAIN = "invite_again"
    ACCEPT = "accept"
    DECLINE = "decline"
    REMOVE = "remove"
    LEAVE = "leave"


LINES: Final[dict[tuple[Line, LineVerb], tuple[Line, frozenset[Party]]]] = {
    (Line.ASKED, LineVerb.ADMIT): (Line.INVITED, OFFICIAL),
    (Line.ASKED, LineVerb.REFUSE): (Line.REFUSED, OFFICIAL),
    (Line.INVITED, LineVerb.INVITE_AGAIN): (Line.INVITED, OFFICIAL),
    (Line.INVITED, LineVerb.ACCEPT): (Line.SEATED, PERSON),
    (Line.INVITED, LineVerb.DECLINE): (Line.DECLINED, PERSON),
    (Line.INVITED, LineVerb.REMOVE): (Line.REMOVED, OFFICIAL),
    (Line.SEATED, LineVerb.REMOVE): (Line.REMOVED, OFFICIAL),
    (Line.ASKED, LineVerb.LEAVE): (Line.REMOVED, CLOCK),
    (Line.INVITED, LineVerb.LEAVE): (Line.REMOVED, CLOCK),
    (Line.SEATED, LineVerb.LEAVE): (Line.REMOVED, CLOCK),
}

ON_ROSTER: Final = frozenset({Line.ASKED, Line.INVITED, Line.SEATED})
"""One such line per mailbox and agreement."""

YEAR: Final = timedelta(days=365)
"""How long an attestation holds."""
GRACE: Final = timedelta(days=30)
"""How long access goes on after an attestation was due."""
ATTESTATION_OPENS: Final = timedelta(days=60)
"""How long before it is due the roster can be attested."""
INVITATION_LIFE: Final = timedelta(days=14)
"""How long the link of an invitation works."""
MOST_SEATS: Final = 10_000
MOST_DAYS: Final = 1_830


def next_status(status: str, verb: Verb, parties: Iterable[Party]) -> Status | None:
    """The status that `verb` leads to for somebody who is any of `parties`; None when the table has no such row."""
    row = TABLE.get((Status(status), verb))
    return None if row is None or row[1].isdisjoint(parties) else row[0]


def verbs(status: str, parties: Iterable[Party]) -> tuple[Verb, ...]:
    """What somebody who is any of `parties` may do now, in the order of the table."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in TABLE.items() if at == status and known & may)


def next_line(line: str, verb: LineVerb, parties: Iterable[Party]) -> Line | None:
    """The same question about a line of the roster."""
    row = LINES.get((Line(line), verb))
    return None if row is None or row[1].isdisjoint(parties) else row[0]


def line_verbs(line: str, parties: Iterable[Party]) -> tuple[LineVerb, ...]:
    """What somebody who is any of `parties` may do to a line now."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in LINES.items() if at == line and known & may)


def next_attestation(due: datetime, now: datetime) -> datetime:
    """When the roster is to be attested again: a year after it was due, or after today where access had stopped."""
    return (due if now < due + GRACE else now) + YEAR
