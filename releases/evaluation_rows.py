"""One score as a file or a person tells it, before it is kept, and what is wrong with it. Plain Python."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from releases.evaluation_metrics import Direction, Kind, Unit
from releases.sentences import Sentence

N_MAX: Final = 10**15
"""Items that were measured."""
NORMAL_95: Final = 1.96
"""Standard errors on each side of a value that hold 95 of 100 repetitions."""
LENGTHS: Final = {
    "task": 160, "task_version": 32, "metric": 64, "variant": 64, "prompt": 300, "harness": 120, "harness_version": 120,
    "ran_by": 160, "note": 500, "raw_path": 1024, "raw_url": 500, "source": 300, "source_url": 500,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value of one metric on one task, with everything by which two values may differ.

    `place` is where it stands in its file. Shares lie between 0 and 1.
    """

    task: str
    metric: str
    value: float
    harness: str
    ran_by: str
    kind: Kind = Kind.CAPABILITY
    direction: Direction = Direction.UNSTATED
    unit: Unit = Unit.NUMBER
    task_version: str = ""
    variant: str = ""
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    shots: int | None = None
    prompt: str = ""
    harness_version: str = ""
    ran_on: date | None = None
    raw_path: str = ""
    raw_url: str = ""
    source: str = ""
    source_url: str = ""
    note: str = ""
    place: str = ""

    def identity(self, subject: str) -> str:
        """The digest of what makes it the same score of the same subject, told again: all but what was measured."""
        told = [
            subject, self.task, self.task_version, self.metric, self.variant, self.shots, self.prompt, self.harness,
            self.harness_version, self.ran_by, self.ran_on.isoformat() if self.ran_on else None,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def problems(self) -> Iterator[Sentence]:
        """What is wrong with it, one sentence each, without its place."""
        for name in ("task", "metric", "harness", "ran_by"):
            if not getattr(self, name):
                yield _MISSING[name]
        for name, most in LENGTHS.items():
            if len(getattr(self, name)) > most:
                yield Sentence("%(name)s has more than %(most)s characters. Shorten it.", name=name, most=most)
        yield from self._of_addresses()
        numbers = [number for number in (self.value, self.stderr, self.low, self.high) if number is not None]
        if not all(map(math.isfinite, numbers)):
            yield Sentence("The value is not a finite number. Leave the row out, or run it again.")
        elif self.stderr is not None and self.stderr < 0:
            yield Sentence("The standard error is negative. Correct it.")
        elif self.low is not None and self.high is not None and self.low > self.high:
            yield Sentence("The interval ends before it begins. Correct low and high.")
        if self.n is not None and not 1 <= self.n <= N_MAX:
            yield Sentence("n is less than one, or more than %(most)s. Leave it out where it is not known.", most=N_MAX)
        if self.shots is not None and not 0 <= self.shots <= 10_000:
            yield Sentence("The number of shots cannot be right. Correct it.")

    def _of_addresses(self) -> Iterator[Sentence]:
        for name in ("raw_url", "source_url"):
            if (address := getattr(self, name)) and not address.lower().startswith(("https://", "http://")):
                yield Sentence(
                    "%(name)s is no address that begins with https:// or http://. Correct it, or leave it out.",
                    name=name,
                )


_MISSING: Final = {
    "task": Sentence("It names no task."),
    "metric": Sentence("It names no metric."),
    "harness": Sentence("It names no harness. Say which program measured it."),
    "ran_by": Sentence("It does not say who ran it. Name the group or person."),
}
