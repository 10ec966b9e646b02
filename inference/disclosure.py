"""The life of a disclosure as a table: (state, verb) → next state and the parties that may act. Plain Python.

Kept content is opened by two people: the one who asks never allows, and whoever has had a part in the project does
neither.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a disclosure stands. An allowed one ends by its time, too."""

    ASKED = "asked"
    ALLOWED = "allowed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class Verb(StrEnum):
    """What is done with it."""

    ALLOW = "allow"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    LOOK = "look"
    CLOSE = "close"


class Party(StrEnum):
    """As what a manager of the lab acts."""

    ASKER = "asker"
    SECOND = "second"
    """Another one, before the answer; the one who allowed it, after."""


_BOTH: Final = frozenset(Party)
TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[Party]]]] = {
    (State.ASKED, Verb.ALLOW): (State.ALLOWED, frozenset({Party.SECOND})),
    (State.ASKED, Verb.DECLINE): (State.DECLINED, frozenset({Party.SECOND})),
    (State.ASKED, Verb.WITHDRAW): (State.WITHDRAWN, frozenset({Party.ASKER})),
    (State.ALLOWED, Verb.LOOK): (State.ALLOWED, _BOTH),
    (State.ALLOWED, Verb.CLOSE): (State.CLOSED, _BOTH),
}


def after(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    step = TABLE.get((State(state), verb))
    return step[0] if step else None


def may(state: str, party: Party | None) -> tuple[Verb, ...]:
    """What this party can do now."""
    return tuple(verb for (at, verb), (_, parties) in TABLE.items() if at == state and party in parties)
