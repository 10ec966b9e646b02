"""The life of an allocation request as one table: (status, verb) → (next status, who may do it). Plain Python.

A project's lead asks the lab for more query time; somebody of the lab who has no part in the project decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a request stands."""

    SUBMITTED = "submitted"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Verb(StrEnum):
    """What can be done about a request."""

    GRANT = "grant"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


class Party(StrEnum):
    """Who acts. Whoever belongs to the project is nothing else, whatever roles they hold in the lab."""

    LEAD = "lead"
    MEMBER = "member"
    """Reads it, and does nothing about it."""
    REVIEWER = "reviewer"
    MANAGER = "manager"


class Ground(StrEnum):
    """Why a request is declined."""

    CAPACITY = "capacity"
    CASE = "case"
    REPORT = "report"
    SCOPE = "scope"
    OTHER = "other"
    """Said in words."""


LEAD: Final = frozenset({Party.LEAD})
STAFF: Final = frozenset({Party.REVIEWER, Party.MANAGER})

TABLE: Final[dict[tuple[Status, Verb], tuple[Status, frozenset[Party]]]] = {
    (Status.SUBMITTED, Verb.GRANT): (Status.GRANTED, STAFF),
    (Status.SUBMITTED, Verb.DECLINE): (Status.DECLINED, STAFF),
    (Status.SUBMITTED, Verb.WITHDRAW): (Status.WITHDRAWN, LEAD),
}

DECIDED: Final = frozenset({Status.GRANTED, Status.DECLINED})
"""Has somebody who decided it."""


def next_status(status: str, verb: Verb, parties: Iterable[Party]) -> Status | None:
    """The status that `verb` leads to for somebody who is any of `parties`; None when the table has no such row."""
    row = TABLE.get((Status(status), verb))
    return None if row is None or row[1].isdisjoint(parties) else row[0]


def verbs(status: str, parties: Iterable[Party]) -> tuple[Verb, ...]:
    """What somebody who is any of `parties` may do now, in the order of the table."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in TABLE.items() if at == status and known & may)


def may(verb: Verb) -> frozenset[Party]:
    """Who may ever do it."""
    return frozenset().union(*(who for (_, does), (_, who) in TABLE.items() if does == verb))
