"""The size strip: one logarithmic scale of parameters, the same on every page, as lengths for an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LEAST: Final = 5.0
"""log10 of the scale's left end, 100 thousand parameters."""
DECADES: Final = 6.5
_CLOSE: Final = 4.2
"""Per cent of the width under which two labels would touch; the later one is left to the list for screen readers."""
MOST: Final = 24


@dataclass(frozen=True, slots=True)
class Mark:
    """One size: its place in per cent of the width, what stands there, and whether its label fits."""

    x: str
    kind: str
    """open · gated · reference"""
    label: str
    labelled: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """One power of ten of the scale."""

    x: str
    label: str


def marks(sizes: Iterable[tuple[int, str, str]]) -> list[Mark]:
    """Marks of (parameters, kind, label), smallest first; those without parameters are left out.

    An empty label becomes the number of parameters as people say it.
    """
    made: list[Mark] = []
    last = -_CLOSE
    for parameters, kind, label in sorted(size for size in sizes if size[0] > 0)[:MOST]:
        x = place(parameters)
        made.append(Mark(f"{x:.2f}%", kind, label or short(parameters), labelled=x - last >= _CLOSE))
        last = x if made[-1].labelled else last
    return made


def ticks() -> list[Tick]:
    """The scale's powers of ten."""
    return [Tick(f"{place(10**power):.2f}%", short(10**power)) for power in range(5, 12)]


def place(parameters: int) -> float:
    """Where a number of parameters lies on the scale, in per cent, kept within it."""
    return min(100.0, max(0.0, (math.log10(max(1, parameters)) - LEAST) / DECADES * 100))


def short(number: int) -> str:
    """A number as people say it: 125M, 1.3B, 175B, 0.9M, 100k."""
    for unit, size in (("B", 10**9), ("M", 10**6)):
        if number >= size * 0.95:
            value = number / size
            return f"{value:.0f}{unit}" if value >= 9.95 or abs(value - round(value)) < 0.05 else f"{value:.1f}{unit}"
    return f"{number / 1000:.0f}k" if number >= 1000 else str(number)
