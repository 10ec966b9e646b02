"""The figure of use over time: a bar for each day or hour, prompt below and completion above, in an SVG of fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.utils.formats import date_format

from inference.burndown import BOTTOM, LEFT, RIGHT, TOP, amounts
from inference.figures import Line, Period
from releases.curves.scales import Tick

_LABELS: Final = 6
_GAP: Final = 0.2
"""Share of a bar's place that is left free."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or hour; coordinates in pixels. `y` are the tops, `height` the heights of prompt and completion."""

    key: str
    x: float
    width: float
    prompt_y: float
    prompt_height: float
    completion_y: float
    completion_height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """All that the template draws, in a 920 × 270 view."""

    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    """The table under it: a line for each bar, also where nothing was used."""


def draw(sums: Mapping[str, Line], period: Period, *, way: str) -> Bars | None:
    """The figure of sums by day or hour, or None where nothing was used."""
    keys = _hours(period) if way == "hour" else [day.isoformat() for day in period.days]
    lines = [sums.get(key) or Line(key, 0, 0, 0, 0) for key in keys]
    most = max((each.tokens for each in lines), default=0)
    if not most:
        return None
    place = (RIGHT - LEFT) / len(lines)
    every = max(1, -(-len(lines) // _LABELS))
    ticks = [Tick(round(LEFT + place * (n + 0.5), 1), _short(keys[n])) for n in range(0, len(keys), every)]
    return Bars(
        bars=[_bar(each, LEFT + place * n, place, (BOTTOM - TOP) / most) for n, each in enumerate(lines)],
        x_ticks=ticks,
        y_ticks=amounts(most),
        lines=lines,
    )


def _bar(line: Line, x: float, place: float, scale: float) -> Bar:
    prompt, completion = line.prompt_tokens * scale, line.completion_tokens * scale
    return Bar(
        key=line.key,
        x=round(x + place * _GAP / 2, 2),
        width=round(place * (1 - _GAP), 2),
        prompt_y=round(BOTTOM - prompt, 2),
        prompt_height=round(prompt, 2),
        completion_y=round(BOTTOM - prompt - completion, 2),
        completion_height=round(completion, 2),
    )


def _hours(period: Period) -> list[str]:
    count = len(period.days) * 24
    return [f"{period.starts_at + timedelta(hours=n):%Y-%m-%dT%H:%MZ}" for n in range(count)]


def _short(key: str) -> str:
    if "T" in key:
        return f"{datetime.fromisoformat(key).astimezone(UTC):%H:%M}"
    day = date.fromisoformat(key)
    return date_format(day, "j M")
