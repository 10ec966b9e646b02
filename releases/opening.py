"""The life of a planned opening as a table, and the rule that opens it. Plain Python: no framework, no I/O.

An opening is planned for one revision: a date, so many approvals of named people, or both; and always that its check
has passed. When all that is set is met, it opens by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a planned opening stands."""

    PLANNED = "planned"
    HELD = "held"
    OPENED = "opened"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What can be done to one."""

    APPROVE = "approve"
    TAKE_BACK = "take_back"
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"
    OPEN = "open"


MANAGERS: Final = frozenset({"manager", "administrator"})
APPROVER: Final = "approver"
"""Whoever the plan names, while they hold a role in the lab."""
CLOCK: Final = "clock"
"""Nobody: it follows from the rules."""

TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.PLANNED, Verb.APPROVE): (State.PLANNED, frozenset({APPROVER})),
    (State.PLANNED, Verb.TAKE_BACK): (State.PLANNED, frozenset({APPROVER})),
    (State.PLANNED, Verb.HOLD): (State.HELD, MANAGERS | {APPROVER}),
    (State.PLANNED, Verb.CANCEL): (State.CANCELLED, MANAGERS),
    (State.PLANNED, Verb.OPEN): (State.OPENED, frozenset({CLOCK})),
    (State.HELD, Verb.APPROVE): (State.HELD, frozenset({APPROVER})),
    (State.HELD, Verb.TAKE_BACK): (State.HELD, frozenset({APPROVER})),
    (State.HELD, Verb.RESUME): (State.PLANNED, MANAGERS),
    (State.HELD, Verb.CANCEL): (State.CANCELLED, MANAGERS),
}
LIVE: Final = frozenset({State.PLANNED, State.HELD})
"""May still open. A model has at most one such."""


class Rule(StrEnum):
    """What an opening can wait for."""

    DATE = "date"
    APPROVALS = "approvals"
    CHECKS = "checks"
    SWITCH = "switch"
    """The operator has paused publishing."""
    LAB = "lab"
    """The operator has closed the lab: nobody there could hold it, and it would come out with the lab."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so at the moment `now`."""

    now: datetime
    approvals: int
    """Of named people who may approve today."""
    checked: bool
    publishing: bool
    lab_open: bool


def verbs(state: str, parties: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to somebody of these parties, in the table's order: the buttons of the page."""
    return tuple(verb for (at, verb), (_to, who) in TABLE.items() if at == state and who & parties)


def unmet(opens_at: datetime | None, approvals: int, facts: Facts) -> tuple[Rule, ...]:
    """What an opening with this date and so many approvals still waits for; nothing: it opens now."""
    waits = {
        Rule.DATE: opens_at is not None and facts.now < opens_at,
        Rule.APPROVALS: facts.approvals < approvals,
        Rule.CHECKS: not facts.checked,
        Rule.SWITCH: not facts.publishing,
        Rule.LAB: not facts.lab_open,
    }
    return tuple(rule for rule, waiting in waits.items() if waiting)
