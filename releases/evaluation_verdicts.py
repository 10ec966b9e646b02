"""The life of a reported reproduction as a table, and the arithmetic of its verdict. Plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from releases.lifecycle import STAFF


class State(StrEnum):
    """Where a report stands. The lab's word is shown beside the verdict, and never changes it."""

    REPORTED = "reported"
    ACCEPTED = "accepted"
    QUESTIONED = "questioned"
    WITHDRAWN = "withdrawn"


class Verb(StrEnum):
    """What is done to a report."""

    ACCEPT = "accept"
    QUESTION = "question"
    WITHDRAW = "withdraw"


class Verdict(StrEnum):
    """Whether a score was found again."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"


REPORTER: Final = frozenset({"reporter"})
"""Who reported it; never staff of the lab whose score it is."""
TABLE: Final[dict[tuple[State, Verb], tuple[State, frozenset[str]]]] = {
    (State.REPORTED, Verb.ACCEPT): (State.ACCEPTED, STAFF),
    (State.REPORTED, Verb.QUESTION): (State.QUESTIONED, STAFF),
    (State.ACCEPTED, Verb.QUESTION): (State.QUESTIONED, STAFF),
    (State.QUESTIONED, Verb.ACCEPT): (State.ACCEPTED, STAFF),
    (State.REPORTED, Verb.WITHDRAW): (State.WITHDRAWN, REPORTER),
    (State.ACCEPTED, Verb.WITHDRAW): (State.WITHDRAWN, REPORTER),
    (State.QUESTIONED, Verb.WITHDRAW): (State.WITHDRAWN, REPORTER),
}
COUNTED: Final = (State.REPORTED, State.ACCEPTED)
"""States that count in “reproduced by k, failed by m”: a report counts until the lab says why it doubts it."""


def next_state(state: str, verb: Verb) -> State | None:
    """The state that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((State(state), verb))
    return row[0] if row else None


def verbs(state: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to somebody with these roles, in the table's order: the buttons of the page."""
    return tuple(verb for (at, verb), (_to, who) in TABLE.items() if at == state and who & roles)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How a verdict came about; every number in the score's own unit."""

    difference: float
    tolerance: float
    combined: float | None
    """The standard error of the difference, √(s₁² + s₂²); None where one of the two errors is not known."""

    @property
    def verdict(self) -> Verdict:
        """Reproduced where the difference is within the tolerance, the last digits of a float aside."""
        close = abs(self.difference) <= self.tolerance * (1 + 1e-9) + 1e-12
        return Verdict.REPRODUCED if close else Verdict.DIFFERS

    @property
    def errors(self) -> float | None:
        """The difference in combined standard errors."""
        return abs(self.difference) / self.combined if self.combined else None


def weigh(
    *, value: float, stderr: float | None, again: float, again_stderr: float | None, tolerance: float
) -> Arithmetic:
    """The arithmetic of a value that was measured again."""
    known = stderr is not None and again_stderr is not None
    combined = math.hypot(stderr or 0.0, again_stderr or 0.0) if known else None
    return Arithmetic(difference=again - value, tolerance=tolerance, combined=combined)


@dataclass(frozen=True, slots=True)
class Again:
    """How often a score was measured again, by what came of it."""

    reproduced: int = 0
    failed: int = 0
    elsewhere: int = 0
    """With another harness: they count for neither side."""
    questioned: int = 0

    @property
    def any(self) -> bool:
        """Whether anybody did."""
        return bool(self.reproduced or self.failed or self.elsewhere or self.questioned)
