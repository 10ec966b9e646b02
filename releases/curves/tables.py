"""The picture as tables: least and greatest in each stretch of the axis, and every point as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.access.exports import harmless
from portal.errors import Invalid
from releases.curves import windows
from releases.curves.picture import Panel, Picture
from releases.curves.points import Points

STRETCHES: Final = 20
MOST_POINTS: Final = 1_000_000
"""Points of one CSV."""
_HEAD: Final = ("run", "segment", "series", "unit", "step", "tokens", "time", "value", "kept")


@dataclass(frozen=True, slots=True)
class Stretch:
    """One line of the table behind the figure: what each panel's values were between two places of the axis."""

    low: float
    high: float
    bounds: list[tuple[float, float] | None]
    """(least, greatest) of each panel, None where it has no point there. What was thrown away counts too."""


def behind(picture: Picture) -> list[Stretch]:
    """The axis in twenty stretches of equal length, from the points that are drawn."""
    low, width = picture.window.low, (picture.window.high - picture.window.low) / STRETCHES
    found: list[list[list[float]]] = [[[] for _ in picture.panels] for _ in range(STRETCHES)]
    for number, panel in enumerate(picture.panels):
        for place, value in _drawn(panel, picture.window.axis):
            found[min(STRETCHES - 1, int((place - low) / width) if width else 0)][number].append(value)
    return [
        Stretch(low + at * width, low + (at + 1) * width, [(min(own), max(own)) if own else None for own in row])
        for at, row in enumerate(found)
    ]


def as_csv(picture: Picture) -> Iterator[str]:
    """Every point of the window, a piece of text at a time. Raises Invalid, before the first, where they are too many."""
    spans = windows.counted(picture.shown, picture.window)
    count = sum(end - start for start, end in spans.values())
    if count > MOST_POINTS:
        told = _(
            "These are %(count)s points, and %(most)s is the most in one file. Narrow the range (from=, to=), or take fewer "
            "series."
        )
        raise Invalid(
            told
            % {
                "count": number_format(count, force_grouping=True),
                "most": number_format(MOST_POINTS, force_grouping=True),
            }
        )
    return _lines(picture, spans)


def _lines(picture: Picture, spans: dict[int, tuple[int, int]]) -> Iterator[str]:
    yield _text([_HEAD])
    runs = {run.pk: run.name for run in picture.runs}
    units = {panel.kind.name: panel.kind.unit for panel in picture.panels}
    for segment in picture.shown:
        if segment.pk not in spans:
            continue
        curve = picture.curves[segment.curve_id]
        limit = picture.limits.get((curve.pk, segment.number), math.inf)
        first = (str(harmless(runs[curve.run_id])), segment.number, str(harmless(curve.name)), units[curve.name])
        for points in windows.every(segment, *spans[segment.pk]):
            yield _text([(*first, *row) for row in _rows(points, limit)])


def _rows(points: Points, limit: float) -> Iterator[tuple[str | float, ...]]:
    for step, tokens, at, value in zip(*points.columns, strict=True):
        kept = not step > limit
        yield _whole(step), _whole(tokens), moment(at), repr(value), "yes" if kept else "no"


def moment(at: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond; empty for none."""
    if math.isnan(at):
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _drawn(panel: Panel, axis: str) -> Iterator[tuple[float, float]]:
    for line in panel.lines:
        yield from zip(line.points.axis(axis), line.points.value, strict=True)


def _whole(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.15g}"


def _text(rows: list[tuple[str | float, ...]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
