"""The members of a team as one table: (status, verb) → (next status, who may do it). Plain Python.

A member is named by the lead (who applied, or took the project over), invited by mail, and accepts an undertaking of their own. The grant that
follows rests on the lead's: `Grant.lead`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final


class MemberStatus(StrEnum):
    """Where a named person stands."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REMOVED = "removed"
    LAPSED = "lapsed"
    TOOK_OVER = "took_over"
    """Took the project over from the lead, and is no member since (ADR 24)."""


class MemberVerb(StrEnum):
    """What can be done about a named person."""

    ACCEPT = "accept"
    DECLINE = "decline"
    REMIND = "remind"
    REMOVE = "remove"
    LAPSE = "lapse"
    LEAVE = "leave"
    """What follows where their account is erased, or they close out their grant."""
    TAKE_OVER = "take_over"


class Party(StrEnum):
    """Who acts. Whoever has the link of the mail is the invited; only the address that it was sent to can accept."""

    LEAD = "lead"
    INVITED = "invited"
    MEMBER = "member"
    """Who accepted."""
    CLOCK = "clock"


LEAD: Final = frozenset({Party.LEAD})
INVITED: Final = frozenset({Party.INVITED})
CLOCK: Final = frozenset({Party.CLOCK})

TABLE: Final[dict[tuple[MemberStatus, MemberVerb], tuple[MemberStatus, frozenset[Party]]]] = {
    (MemberStatus.INVITED, MemberVerb.ACCEPT): (MemberStatus.ACCEPTED, INVITED),
    (MemberStatus.INVITED, MemberVerb.DECLINE): (MemberStatus.DECLINED, INVITED),
    (MemberStatus.INVITED, MemberVerb.REMIND): (MemberStatus.INVITED, LEAD),
    (MemberStatus.INVITED, MemberVerb.REMOVE): (MemberStatus.REMOVED, LEAD),
    (MemberStatus.INVITED, MemberVerb.LAPSE): (MemberStatus.LAPSED, CLOCK),
    (MemberStatus.LAPSED, MemberVerb.REMIND): (MemberStatus.INVITED, LEAD),
    (MemberStatus.LAPSED, MemberVerb.REMOVE): (MemberStatus.REMOVED, LEAD),
    (MemberStatus.ACCEPTED, MemberVerb.REMOVE): (MemberStatus.REMOVED, LEAD),
    (MemberStatus.ACCEPTED, MemberVerb.LEAVE): (MemberStatus.REMOVED, CLOCK),
    (MemberStatus.ACCEPTED, MemberVerb.TAKE_OVER): (MemberStatus.TOOK_OVER, frozenset({Party.MEMBER})),
}

ON_TEAM: Final = frozenset({MemberStatus.INVITED, MemberStatus.ACCEPTED, MemberStatus.LAPSED})
"""Holds one of the team's places."""

LINK_LIFE: Final = timedelta(days=14)
"""How long an invitation can be answered after its last mail."""


def next_status(status: str, verb: MemberVerb, party: Party) -> MemberStatus | None:
    """The status that `verb` leads to; None when the table has no such row for this party."""
    row = TABLE.get((MemberStatus(status), verb))
    return None if row is None or party not in row[1] else row[0]


def verbs(status: str, parties: Iterable[Party]) -> tuple[MemberVerb, ...]:
    """What any of `parties` may do now, in the order of the table: the buttons of a page."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in TABLE.items() if at == status and known & may)
