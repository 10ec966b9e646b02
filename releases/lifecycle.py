"""The life of a revision as a table: (state, verb) → next state and the roles that may act. No framework, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """Where a revision stands. Only `published` can be downloaded by people outside the lab."""

    DRAFT = "draft"
    CHECKED = "checked"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Verb(StrEnum):
    """What can be done to a revision. A revision's files never change: its name is a digest of them."""

    CHECK = "check"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"


class Step(NamedTuple):
    """One row of the table."""

    to: State
    roles: frozenset[str]


STAFF: Final = frozenset({"manager", "administrator"})
"""Roles, in the lab that owns the model, that look after its releases."""

TABLE: Final[dict[tuple[State, Verb], Step]] = {
    (State.DRAFT, Verb.CHECK): Step(State.CHECKED, STAFF),
    (State.CHECKED, Verb.CHECK): Step(State.CHECKED, STAFF),
    (State.CHECKED, Verb.PUBLISH): Step(State.PUBLISHED, STAFF),
    (State.PUBLISHED, Verb.WITHDRAW): Step(State.WITHDRAWN, STAFF),
}


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    step = TABLE.get((State(state), verb))
    return step.to if step else None


def verbs(state: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to someone who holds `roles` in the lab, in the table's order: the buttons of the page."""
    return tuple(verb for (at, verb), step in TABLE.items() if at == state and step.roles & roles)
