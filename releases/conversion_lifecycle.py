"""The life of a conversion as a table: (state, verb) → next state and who may act. No framework, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from releases.lifecycle import STAFF


class Stage(StrEnum):
    """Where a conversion stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Operation(StrEnum):
    """What a conversion does."""

    CONVERT = "convert"
    CONSOLIDATE = "consolidate"
    RESHARD = "reshard"
    CAST = "cast"


class Verb(StrEnum):
    """What happens to a conversion."""

    BEGIN = "begin"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    RETRY = "retry"


CONVERTER: Final = frozenset({"converter"})
"""The worker that converts."""

TABLE: Final[dict[tuple[Stage, Verb], tuple[Stage, frozenset[str]]]] = {
    (Stage.QUEUED, Verb.BEGIN): (Stage.RUNNING, CONVERTER),
    (Stage.RUNNING, Verb.FINISH): (Stage.DONE, CONVERTER),
    (Stage.RUNNING, Verb.FAIL): (Stage.FAILED, CONVERTER),
    (Stage.QUEUED, Verb.CANCEL): (Stage.CANCELLED, STAFF),
    (Stage.RUNNING, Verb.CANCEL): (Stage.CANCELLED, STAFF),
    (Stage.FAILED, Verb.RETRY): (Stage.QUEUED, STAFF),
    (Stage.CANCELLED, Verb.RETRY): (Stage.QUEUED, STAFF),
}
LIVE: Final = (Stage.QUEUED, Stage.RUNNING)
"""Stages that something still follows by itself."""


def next_stage(stage: str, verb: Verb) -> Stage | None:
    """The stage that `verb` leads to, or None when it cannot be done now."""
    row = TABLE.get((Stage(stage), verb))
    return row[0] if row else None


def verbs(stage: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs open to someone who holds `roles` in the lab: the buttons of the page."""
    return tuple(verb for (at, verb), (_to, who) in TABLE.items() if at == stage and who & roles)
