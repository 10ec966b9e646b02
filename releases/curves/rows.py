"""What every importer gives: rows of numbers, each with its place on the axes and the segment that it belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import lt
from typing import Any, Final, NamedTuple

from portal.errors import Invalid

NONE: Final = math.nan
"""The place on an axis that a row does not have."""
_STEPS: Final = ("step", "global_step", "_step", "iteration", "num_updates", "Step")
_TOKENS: Final = ("tokens", "tokens_seen", "num_tokens", "train/tokens", "total_tokens")
_MOMENTS: Final = ("ts_utc", "ts", "timestamp", "_timestamp", "wall_time", "time", "at")
_BESIDE: Final = {"segment", "epoch", "_runtime"}
"""Columns that are neither an axis nor a series."""
_MOST_PARTS: Final = 100_000
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
_MILLISECONDS: Final = 1e11
"""Seconds since 1970 never have as many digits until the year 5138; a larger number counts milliseconds."""


class Row(NamedTuple):
    """Numbers that were written down together. `values` are by the name that the source gives them."""

    step: float
    tokens: float
    at: float
    segment: int
    part: int | None
    """The number that the source itself gives to the segment; None where it has none."""
    values: Mapping[str, float]


@dataclass(slots=True)
class Segments:
    """Numbers the stretches of a recording in which no axis goes back: a restart, or a rollback, begins another."""

    number: int = 0
    _last: tuple[float, ...] = ()
    _part: int | None = None

    def of(self, step: float, tokens: float, at: float, part: int | None = None) -> int:
        """The segment of the next row. Axes that it does not have are as they were; `part` is the source's own count."""
        places = (step, tokens, at)
        if not self._last:
            self._last = places
        elif part != self._part or any(map(lt, places, self._last)):  # NaN is less than nothing
            self.number += 1
            self._last = places
        else:
            self._last = tuple(new if new == new else old for new, old in zip(places, self._last, strict=True))
        self._part = part
        return self.number


def of_mappings(found: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows of JSON objects or CSV lines: axes by their usual names, every other number a series.

    Text, lists and null are passed over. Raises Invalid where an axis does not hold what it should.
    """
    segments = Segments()
    for number, each in enumerate(found, 1):
        step, tokens, at = (
            _number_of(each, _STEPS, number),
            _number_of(each, _TOKENS, number),
            moment_of(each, number),
        )
        values = {
            name: value if type(value) is float else real(value)
            for name, value in each.items()
            if type(value) in {float, int} and name not in _NOT_SERIES
        }
        if values:
            part = _part_of(each, number)
            yield Row(step, tokens, at, segments.of(step, tokens, at, part), part, values)


def real(number: int) -> float:
    """As a float; past the largest of them infinite, and so left out and counted like every value that is not finite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def moment_of(row: Mapping[str, Any], number: int) -> float:
    """Seconds since 1970 of the first column that holds a moment: a number, or ISO 8601 (UTC where no zone is named)."""
    for name in _MOMENTS:
        if (value := row.get(name)) not in (None, ""):
            return seconds(value, number)
    return NONE


def seconds(value: object, number: int) -> float:
    """Seconds since 1970 of what a source writes as a moment. Raises Invalid with the row's number."""
    found = NONE
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        elif isinstance(value, int | float) and value >= 0:
            found = value / 1000 if value > _MILLISECONDS else float(value)
    except (ValueError, OverflowError):
        pass
    if is_moment(found):
        return found
    raise Invalid(f"Row {number}: {value!r:.40} is not a moment. Write ISO 8601, or seconds since 1970.")


def is_moment(found: float) -> bool:
    """Whether so many seconds since 1970 fall in a year that has a number of four digits."""
    return _FIRST <= found < _LAST


def _part_of(row: Mapping[str, Any], number: int) -> int | None:
    part = row.get("segment")
    if part is None or (type(part) is int and 0 <= part < _MOST_PARTS):
        return part
    raise Invalid(f"Row {number}: segment is {part!r:.40}. It must be a whole number below {_MOST_PARTS}.")


def _number_of(row: Mapping[str, Any], names: tuple[str, ...], number: int) -> float:
    for name in names:
        value = row.get(name)
        if value is None or value == "":
            continue
        if type(value) in {int, float} and 0 <= value < 2**53:
            return float(value)
        raise Invalid(f"Row {number}: {name} is {value!r:.40}. It must be a number from 0 to 2⁵³.")
    return NONE


_NOT_SERIES: Final = frozenset((*_STEPS, *_TOKENS, *_MOMENTS, *_BESIDE))
