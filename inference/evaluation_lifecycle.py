"""The life of an evaluation run as a table: (state, verb) → next state and who may act. No framework, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    SCORED = "scored"
    ATTACHED = "attached"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Verb(StrEnum):
    """What happens to a run."""

    SCORE = "score"
    FAIL = "fail"
    CANCEL = "cancel"
    ATTACH = "attach"
    DISCARD = "discard"


WORKER: Final = frozenset({"worker"})
"""Whoever follows the run's batch."""
STAFF: Final = frozenset({"manager", "administrator"})
"""Those who look after the lab's releases."""

TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.RUNNING, Verb.SCORE): (State.SCORED, WORKER),
    (State.RUNNING, Verb.FAIL): (State.FAILED, WORKER),
    (State.RUNNING, Verb.CANCEL): (State.CANCELLED, STAFF),
    (State.SCORED, Verb.ATTACH): (State.ATTACHED, STAFF),
    (State.SCORED, Verb.DISCARD): (State.DISCARDED, STAFF),
}
STANDING: Final = (State.RUNNING, State.SCORED)
"""States in which the same task set of the same revision is not begun a second time."""


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((State(state), verb))
    return row[0] if row else None
