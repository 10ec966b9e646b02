"""The life of a logbook as a table: (state, verb) → next state and the roles that may act. No framework, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from releases.lifecycle import STAFF


class State(StrEnum):
    """Whether entries can still be changed."""

    OPEN = "open"
    FROZEN = "frozen"


class Verb(StrEnum):
    """What can be done to a logbook or to one of its entries."""

    ADD = "add"
    EDIT = "edit"
    ANNOTATE = "annotate"
    SUPERSEDE = "supersede"
    IMPORT = "import"
    TAKE_BACK = "take_back"
    FREEZE = "freeze"
    CORRECT = "correct"
    RECORD = "record"


PORTAL: Final = frozenset({"portal"})
"""What a published revision, or a data file of the catalogue, carries in its own record."""


TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.OPEN, Verb.ADD): (State.OPEN, STAFF),
    (State.OPEN, Verb.EDIT): (State.OPEN, STAFF),
    (State.OPEN, Verb.ANNOTATE): (State.OPEN, STAFF),
    (State.OPEN, Verb.SUPERSEDE): (State.OPEN, STAFF),
    (State.OPEN, Verb.IMPORT): (State.OPEN, STAFF),
    (State.OPEN, Verb.TAKE_BACK): (State.OPEN, STAFF),
    (State.OPEN, Verb.FREEZE): (State.FROZEN, STAFF),
    (State.OPEN, Verb.RECORD): (State.OPEN, PORTAL),
    (State.FROZEN, Verb.CORRECT): (State.FROZEN, STAFF),
    (State.FROZEN, Verb.RECORD): (State.FROZEN, PORTAL),
}


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((State(state), verb))
    return row[0] if row else None


def verbs(state: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to someone who holds `roles` in the lab: the buttons of the page."""
    return tuple(verb for (at, verb), (_to, who) in TABLE.items() if at == state and who & roles)
