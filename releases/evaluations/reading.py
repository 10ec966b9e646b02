"""What all readers of evaluation files share: what is said about a file as a whole, and the list of what is wrong in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from releases.evaluation_metrics import Unit, direction_of, kind_of, unit_of
from releases.evaluation_rows import Row
from releases.sentences import Sentence

ROWS_MAX: Final = 20_000
NO_NUMBERS: Final = frozenset({"", "n/a", "nan", "none"})
"""What harnesses write where there is no standard error."""


@dataclass(frozen=True, slots=True)
class Said:
    """What whoever imports a file says about all of it; the file's own word goes first."""

    harness: str = ""
    harness_version: str = ""
    ran_by: str = ""
    ran_on: date | None = None


@dataclass(slots=True)
class Reading:
    """The rows that were found, and the places that could not be read."""

    said: Said
    rows: list[Row] = field(default_factory=list)
    problems: list[Sentence] = field(default_factory=list)
    unnamed: bool = False
    """Whether a score names no harness, neither by itself nor for the whole file."""

    def add(self, place: str, value: object, **told: Any) -> None:
        """Take one value, by what its metric's and its task's names tell; or note what is wrong at `place`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problems.append(
                Sentence(
                    "%(place)s: %(value)s is not a number. Correct it, or leave the metric out.",
                    place=place, value=repr(str(value)[:60]),
                )
            )  # fmt: skip
            return
        told["kind"] = kind = told.get("kind") or kind_of(told["task"])
        told.setdefault("direction", direction_of(told["metric"], kind))
        told["harness"] = told.get("harness") or self.said.harness
        self.unnamed = self.unnamed or not told["harness"]
        told["harness_version"] = told.get("harness_version") or self.said.harness_version
        told["ran_on"] = told.get("ran_on") or self.said.ran_on
        row = _in_unit(Row(value=_float(value), ran_by=self.said.ran_by, place=place, **told))
        wrong = [Sentence("%(place)s: %(problem)s", place=place, problem=problem) for problem in row.problems()]
        self.problems += wrong
        self.rows += [] if wrong else [row]


def number(value: object) -> float | None:
    """A number that may be missing: None for null, N/A and NaN."""
    if isinstance(value, str) and value.strip().lower() in NO_NUMBERS:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_float(value)):
        return None
    return _float(value)


def whole(value: object) -> int | None:
    """A whole number that may be missing."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: object) -> str:
    """A text or number as trimmed text; empty for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).replace("\0", "").split())


def table(value: object) -> Mapping[str, Any]:
    """A table; an empty one in place of everything else."""
    return value if isinstance(value, dict) else {}


def day(value: object) -> date | None:
    """A day from what begins with one as ISO 8601 writes it; None otherwise."""
    try:
        return date.fromisoformat(text(value)[:10])
    except ValueError:
        return None


def _float(number: float) -> float:
    """Infinite where it is a whole number larger than any float."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _in_unit(row: Row) -> Row:
    """A share between 0 and 1: what is above one was given in per cent, its errors too."""
    if unit_of(row.metric) is Unit.NUMBER:
        return row
    if not 1 < row.value <= 100:
        return replace(row, unit=Unit.SHARE) if 0 <= row.value <= 1 else row
    stderr, low, high = (bound / 100 if bound is not None else None for bound in (row.stderr, row.low, row.high))
    return replace(row, unit=Unit.SHARE, value=row.value / 100, stderr=stderr, low=low, high=high)
