"""The handing over of a project as one table: (status, verb) → (next status, who may do it). Plain Python.

The lead of a team offers it to a member who holds access, and the member accepts by a signature of their own (ADR 24).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final


class HandoverStatus(StrEnum):
    """Where an offer stands."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class HandoverVerb(StrEnum):
    """What can be done about an offer."""

    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"
    """What follows where nobody answers in time, and where one of the two leaves."""


class Party(StrEnum):
    """Who acts on an offer."""

    LEAD = "lead"
    MEMBER = "member"
    CLOCK = "clock"


TABLE: Final[dict[tuple[HandoverStatus, HandoverVerb], tuple[HandoverStatus, frozenset[Party]]]] = {
    (HandoverStatus.OFFERED, HandoverVerb.ACCEPT): (HandoverStatus.ACCEPTED, frozenset({Party.MEMBER})),
    (HandoverStatus.OFFERED, HandoverVerb.DECLINE): (HandoverStatus.DECLINED, frozenset({Party.MEMBER})),
    (HandoverStatus.OFFERED, HandoverVerb.WITHDRAW): (HandoverStatus.WITHDRAWN, frozenset({Party.LEAD})),
    (HandoverStatus.OFFERED, HandoverVerb.LAPSE): (HandoverStatus.LAPSED, frozenset({Party.CLOCK})),
}

OFFER_LIFE: Final = timedelta(days=14)
"""How long an offer can be accepted."""


def next_status(status: str, verb: HandoverVerb, party: Party) -> HandoverStatus | None:
    """The status that `verb` leads to; None when the table has no such row for this party."""
    row = TABLE.get((HandoverStatus(status), verb))
    return None if row is None or party not in row[1] else row[0]
