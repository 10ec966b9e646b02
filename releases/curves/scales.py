"""From numbers to places on a figure, and the round numbers beside its axes, as the reader writes them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils.dateformat import format as dated
from django.utils.formats import get_format

_ROUND: Final = (1.0, 2.0, 5.0)
_LOG_ROUND: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
_SPANS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between marks of a clock."""
_MOST: Final = sys.float_info.max
_LEAST: Final = 1e-300
"""Stretches that are shorter have no round numbers."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place in pixels and its words (empty for a small mark)."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A stretch of numbers laid on pixels `start` to `end`; logarithmic where all of it is above zero."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a number lies, in pixels."""
        low, high, at = self.low / 2, self.high / 2, value / 2  # halves: the whole may be longer than any float
        if self.logarithmic:
            low, high, at = math.log(self.low), math.log(self.high), math.log(max(value, self.low))
        return self.start + (at - low) / ((high - low) or 1.0) * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """Round numbers within the stretch, `about` so many."""
        found = list(_of_logs(self.low, self.high) if self.logarithmic else _rounds(self.low, self.high, about))
        if self.logarithmic and len(found) < 2:
            found = list(_rounds(self.low, self.high, about))
        while len(found) > 2 * about:
            found = found[::2]
        return found


def fitted(low: float, high: float, start: float, end: float, *, logarithmic: bool) -> Scale:
    """A scale that has a little room beyond both bounds; linear where a logarithm has none."""
    if logarithmic and low > 0:
        room = math.exp((math.log(high) - math.log(low)) * 0.04) if high > low else 1.1
        return Scale(max(low / room, math.ulp(0.0)), min(high * room, _MOST), start, end, logarithmic=True)
    room = (high / 2 - low / 2) * 0.12 or abs(high) * 0.1 or 1.0
    return Scale(max(low - room, -_MOST) if low < 0 or low > room else 0.0, min(high + room, _MOST), start, end)


def clock(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Moments at even times of the clock, with their words in UTC."""
    span = (high - low) / about
    step = next((each for each in _SPANS if each >= span), math.ceil(span / 86400) * 86400)
    first = math.ceil(low / step)
    moments = [at * step for at in range(first, math.floor(high / step) + 1)]
    form = "H:i:s" if step < 60 else "H:i" if step < 86400 else "d M"
    return [(float(at), dated(datetime.fromtimestamp(at, UTC), form)) for at in moments]


def short(value: float) -> str:
    """A number beside an axis, with the reader's decimal sign: 0.0006, 1.5, 12k, 3M."""
    return _short(value).replace(".", str(get_format("DECIMAL_SEPARATOR")))


def _short(value: float) -> str:
    if value == 0:
        return "0"
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size or (abs(value) >= size and size > 1e3):
            return f"{value / size:.4g}{unit}"
    if abs(value) < 0.001:
        digits, _e, power = f"{value:.3g}".partition("e")
        return f"{digits}e{int(power)}" if power else digits
    return f"{value:.4g}"


def _rounds(low: float, high: float, about: int) -> Iterator[float]:
    span = high / max(1, about) - low / max(1, about)
    if not _LEAST < span < math.inf:
        return
    size = 10.0 ** math.floor(math.log10(span))
    step = next((size * factor for factor in (*_ROUND, 10.0) if size * factor >= span), size * 10)
    if step == math.inf:
        return
    for at in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield float(f"{at * step:.12g}")


def _of_logs(low: float, high: float) -> Iterator[float]:
    wide = high / low > 100
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for factor in _ROUND[:1] if wide else _LOG_ROUND:
            if low <= (value := float(f"{factor}e{power}")) <= high:
                yield value
