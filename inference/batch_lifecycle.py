"""The life of a batch as a table: (state, verb) → next state and who may act. No framework, no I/O.

The words of the states are OpenAI's, for its clients read them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a batch stands."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What happens to a batch."""

    BEGIN = "begin"
    REFUSE = "refuse"
    FINISH = "finish"
    COMPLETE = "complete"
    EXPIRE = "expire"
    CANCEL = "cancel"
    CONCLUDE = "conclude"


WORKER: Final = frozenset({"worker"})
"""The worker that sends the rows."""
MEMBER: Final = frozenset({"member"})
"""Whoever belongs to the batch's project."""

TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.VALIDATING, Verb.BEGIN): (State.IN_PROGRESS, WORKER),
    (State.VALIDATING, Verb.REFUSE): (State.FAILED, WORKER),
    (State.VALIDATING, Verb.CANCEL): (State.CANCELLING, MEMBER),
    (State.VALIDATING, Verb.EXPIRE): (State.EXPIRED, WORKER),
    (State.IN_PROGRESS, Verb.FINISH): (State.FINALIZING, WORKER),
    (State.IN_PROGRESS, Verb.CANCEL): (State.CANCELLING, MEMBER),
    (State.IN_PROGRESS, Verb.EXPIRE): (State.EXPIRED, WORKER),
    (State.FINALIZING, Verb.COMPLETE): (State.COMPLETED, WORKER),
    (State.CANCELLING, Verb.CONCLUDE): (State.CANCELLED, WORKER),
}
LIVE: Final = (State.VALIDATING, State.IN_PROGRESS, State.FINALIZING, State.CANCELLING)
"""States that something still follows by itself."""
OVER: Final = (State.FAILED, State.COMPLETED, State.EXPIRED, State.CANCELLED)


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((State(state), verb))
    return row[0] if row else None
