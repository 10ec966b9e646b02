"""The life of an application as one table: (status, verb) → (next status, who may do it).

Guard, buttons, documentation and tests all read this table; the database repeats it in constraints. Plain Python,
so that it can be read and tested without a database. A pair that is not in the table is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    GRANTED = "granted"
    DECLINED = "declined"
    APPEALED = "appealed"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class Verb(StrEnum):
    """What can be done to an application."""

    SAVE_DRAFT = "save_draft"
    SUBMIT = "submit"
    ASSIGN = "assign"
    START_REVIEW = "start_review"
    REVIEW = "review"
    REQUEST_CHANGES = "request_changes"
    APPROVE = "approve"
    PASS = "pass"  # noqa: S105
    """The gate's own rules approve what is green: see ADR 9."""
    DECLINE = "decline"
    APPEAL = "appeal"
    UPHOLD = "uphold"
    OVERTURN = "overturn"
    WITHDRAW = "withdraw"
    SIGN = "sign"
    LAPSE = "lapse"


class Party(StrEnum):
    """Who acts. A reviewer is one only for applications of others, in a lab where the role is held today."""

    APPLICANT = "applicant"
    REVIEWER = "reviewer"
    CLOCK = "clock"
    """The schedule, and rules that the gate has set: nobody's decision, and so never a refusal."""


APPLICANT: Final = frozenset({Party.APPLICANT})
REVIEWER: Final = frozenset({Party.REVIEWER})
CLOCK: Final = frozenset({Party.CLOCK})

TABLE: Final[dict[tuple[Status, Verb], tuple[Status, frozenset[Party]]]] = {
    (Status.DRAFT, Verb.SAVE_DRAFT): (Status.DRAFT, APPLICANT),
    (Status.DRAFT, Verb.SUBMIT): (Status.SUBMITTED, APPLICANT),
    (Status.DRAFT, Verb.WITHDRAW): (Status.WITHDRAWN, APPLICANT),
    (Status.DRAFT, Verb.LAPSE): (Status.LAPSED, CLOCK),
    (Status.SUBMITTED, Verb.ASSIGN): (Status.SUBMITTED, REVIEWER),
    (Status.SUBMITTED, Verb.START_REVIEW): (Status.IN_REVIEW, REVIEWER),
    (Status.SUBMITTED, Verb.PASS): (Status.APPROVED, CLOCK),
    (Status.SUBMITTED, Verb.WITHDRAW): (Status.WITHDRAWN, APPLICANT),
    (Status.IN_REVIEW, Verb.ASSIGN): (Status.IN_REVIEW, REVIEWER),
    (Status.IN_REVIEW, Verb.REVIEW): (Status.IN_REVIEW, REVIEWER),
    (Status.IN_REVIEW, Verb.REQUEST_CHANGES): (Status.CHANGES_REQUESTED, REVIEWER),
    (Status.IN_REVIEW, Verb.APPROVE): (Status.APPROVED, REVIEWER),
    (Status.IN_REVIEW, Verb.DECLINE): (Status.DECLINED, REVIEWER),
    (Status.IN_REVIEW, Verb.WITHDRAW): (Status.WITHDRAWN, APPLICANT),
    (Status.CHANGES_REQUESTED, Verb.SAVE_DRAFT): (Status.CHANGES_REQUESTED, APPLICANT),
    (Status.CHANGES_REQUESTED, Verb.SUBMIT): (Status.SUBMITTED, APPLICANT),
    (Status.CHANGES_REQUESTED, Verb.WITHDRAW): (Status.WITHDRAWN, APPLICANT),
    (Status.CHANGES_REQUESTED, Verb.LAPSE): (Status.LAPSED, CLOCK),
    (Status.APPROVED, Verb.SIGN): (Status.GRANTED, APPLICANT),
    (Status.APPROVED, Verb.WITHDRAW): (Status.WITHDRAWN, APPLICANT),
    (Status.APPROVED, Verb.LAPSE): (Status.LAPSED, CLOCK),
    (Status.DECLINED, Verb.APPEAL): (Status.APPEALED, APPLICANT),
    (Status.APPEALED, Verb.ASSIGN): (Status.APPEALED, REVIEWER),
    (Status.APPEALED, Verb.REVIEW): (Status.APPEALED, REVIEWER),
    (Status.APPEALED, Verb.UPHOLD): (Status.DECLINED, REVIEWER),
    (Status.APPEALED, Verb.OVERTURN): (Status.APPROVED, REVIEWER),
}

OPEN: Final = frozenset(
    {
        Status.DRAFT,
        Status.SUBMITTED,
        Status.IN_REVIEW,
        Status.CHANGES_REQUESTED,
        Status.APPROVED,
        Status.APPEALED,
    },
)
"""One such application per person and gate."""

WAITING: Final = frozenset({Status.SUBMITTED, Status.IN_REVIEW})
"""Sent and not yet decided."""

QUEUED: Final = WAITING | {Status.APPEALED}
"""The lab holds the ball."""

EDITABLE: Final = frozenset({Status.DRAFT, Status.CHANGES_REQUESTED})
"""The applicant may change answers."""

WAITS_FOR_APPLICANT: Final = EDITABLE | {Status.APPROVED}
"""The applicant holds the ball."""

PATIENCE: Final = timedelta(days=30)
"""How long an application waits for its applicant, from the last change of it; then it lapses, unless its lab is closed."""

DECIDED: Final = frozenset({Status.APPROVED, Status.GRANTED, Status.DECLINED, Status.APPEALED})
"""Carries a decision, its maker (people, or a version of the rules) and its time; a decline stands until its appeal overturns it."""


def next_status(status: str, verb: Verb, parties: Iterable[Party]) -> Status | None:
    """The status that `verb` leads to for somebody who is any of `parties`; None when the table has no such row."""
    row = TABLE.get((Status(status), verb))
    if row is None or row[1].isdisjoint(parties):
        return None
    return row[0]


def verbs(status: str, parties: Iterable[Party]) -> tuple[Verb, ...]:
    """What somebody who is any of `parties` may do now, in the order of the table: the buttons of a page."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in TABLE.items() if at == status and known & may)
