"""The picture of scores side by side: a dot for each value, a line for its 95 % interval, as lengths for an SVG.

Groups of different settings stand apart under their own headings on one scale; their dots are never joined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from releases.evaluation_metrics import Unit
from releases.evaluation_models import Score
from releases.evaluations.listing import Group

WIDTH: Final = 920
LEFT: Final = 250
RIGHT: Final = 810
_LINE: Final = 24
_HEAD: Final = 34
_TOP: Final = 8
MOST: Final = 80
"""Scores in one picture; its table has all of them."""
STEPS: Final = 5
"""About so many parts a scale has."""
_FURTHEST: Final = 1e300
"""Where a scale ends at the latest: what lies beyond is drawn there."""
_NEAREST: Final = 1e-9
"""How long a scale is at the least, as a share of its numbers: the last digits of a float are no difference to be drawn."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One score: where its dot stands, and where its interval ends."""

    score: Score
    y: float
    x: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Head:
    """The heading over a group."""

    group: Group
    y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A number of the scale."""

    x: float
    value: float


@dataclass(frozen=True, slots=True)
class Plot:
    """All that the template draws of one metric, in a view of WIDTH × height."""

    metric: str
    unit: str
    direction: str
    height: float
    heads: list[Head]
    dots: list[Dot]
    ticks: list[Tick]
    left_out: int

    @property
    def bottom(self) -> float:
        """Where the scale lies."""
        return self.height - 30


def plots(groups: Sequence[Group]) -> list[Plot]:
    """A picture for each metric of these groups, since two metrics share no scale."""
    drawn: dict[tuple[str, str, str], list[Group]] = {}
    for group in groups:
        drawn.setdefault((group.first.metric, group.first.unit, group.first.direction), []).append(group)
    return [_plot(*key, members) for key, members in drawn.items()]


def _plot(metric: str, unit: str, direction: str, groups: Sequence[Group]) -> Plot:
    every = [score for group in groups for score in group.scores]
    shown = every[:MOST]
    least, step, most = scale(shown, unit)
    heads, dots, y = [], [], float(_TOP)
    left = MOST
    for group in groups:
        members = group.scores[:left]
        if not members:
            break
        left -= len(members)
        heads.append(Head(group, y + 18))
        y += _HEAD
        for score in members:
            dots.append(_dot(score, y + 8, least, most))
            y += _LINE
    count = round((most - least) / step)
    ticks = [Tick(_x(least + step * n, least, most), round(least + step * n, 12)) for n in range(count + 1)]
    return Plot(metric, unit, direction, y + 34, heads, dots, ticks, len(every) - len(shown))


def _dot(score: Score, y: float, least: float, most: float) -> Dot:
    low, high = (_x(bound, least, most) for bound in score.interval) if score.interval else (None, None)
    return Dot(score, y, _x(score.value, least, most), low, high)


def _x(value: float, least: float, most: float) -> float:
    place = LEFT + (value - least) / (most - least) * (RIGHT - LEFT)
    return round(min(RIGHT, max(LEFT, place)), 2)


def scale(scores: Sequence[Score], unit: str) -> tuple[float, float, float]:
    """(left end, step, right end) in round numbers around every value and interval; a share stays between 0 and 1."""
    bounds = [bound for score in scores for bound in (score.value, *(score.interval or ()))]
    least, most = (min(_FURTHEST, max(-_FURTHEST, bound)) for bound in (min(bounds), max(bounds)))
    apart = max(most - least, _NEAREST * max(abs(least), abs(most)))
    step = round_step((apart if apart > 1 / _FURTHEST else 1.0) / STEPS)
    least, most = math.floor(least / step) * step, math.ceil(most / step) * step
    if unit == Unit.SHARE and min(bounds) >= 0 and max(bounds) <= 1:
        least, most = max(0.0, least), min(1.0, most)
    return least, step, most if most > least else least + step


def round_step(raw: float) -> float:
    """1, 2 or 5 times a power of ten, not below `raw`."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
