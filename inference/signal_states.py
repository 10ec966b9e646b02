"""The life of a misuse signal as a table: (state, verb) → next state and the roles that may act. Plain Python.

No verb touches anybody's access: suspending a grant is a decision of its own, on the grant's page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a signal stands."""

    OPEN = "open"
    LOOKED_AT = "looked_at"
    DISMISSED = "dismissed"


class Verb(StrEnum):
    """What a manager does with it."""

    LOOK = "look"
    DISMISS = "dismiss"
    REOPEN = "reopen"


MANAGERS: Final = frozenset({"manager", "administrator"})

TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.OPEN, Verb.LOOK): (State.LOOKED_AT, MANAGERS),
    (State.OPEN, Verb.DISMISS): (State.DISMISSED, MANAGERS),
    (State.LOOKED_AT, Verb.DISMISS): (State.DISMISSED, MANAGERS),
    (State.LOOKED_AT, Verb.REOPEN): (State.OPEN, MANAGERS),
    (State.DISMISSED, Verb.REOPEN): (State.OPEN, MANAGERS),
}


def after(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    step = TABLE.get((State(state), verb))
    return step[0] if step else None


def verbs(state: str) -> tuple[Verb, ...]:
    """What can be done now: the buttons of the page."""
    return tuple(verb for (at, verb) in TABLE if at == state)
