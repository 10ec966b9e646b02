"""The life of a report of harm as a table: (state, verb) → next state and who may act. No framework, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from releases.lifecycle import STAFF


class State(StrEnum):
    """Where a report stands."""

    RECEIVED = "received"
    TRIAGED = "triaged"
    ANSWERED = "answered"
    CLOSED = "closed"


class Verb(StrEnum):
    """What the lab does with a report."""

    TRIAGE = "triage"
    ANSWER = "answer"
    CLOSE = "close"


TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.RECEIVED, Verb.TRIAGE): (State.TRIAGED, STAFF),
    (State.TRIAGED, Verb.TRIAGE): (State.TRIAGED, STAFF),
    (State.RECEIVED, Verb.ANSWER): (State.ANSWERED, STAFF),
    (State.TRIAGED, Verb.ANSWER): (State.ANSWERED, STAFF),
    (State.RECEIVED, Verb.CLOSE): (State.CLOSED, STAFF),
    (State.TRIAGED, Verb.CLOSE): (State.CLOSED, STAFF),
}
OPEN: Final = (State.RECEIVED, State.TRIAGED)
"""States in which the lab holds the ball."""


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((State(state), verb))
    return row[0] if row else None


def verbs(state: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to somebody who holds `roles` in the lab, in the table's order: the buttons of the page."""
    return tuple(verb for (at, verb), (_to, who) in TABLE.items() if at == state and who & roles)
