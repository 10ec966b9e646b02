"""The picture as lengths for an SVG of fixed size: panels over one axis, marks with stems, bands, the runs' lineage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from releases.curves import scales
from releases.curves.figures import Part
from releases.curves.marks import Mark
from releases.curves.picture import Panel, Picture
from releases.curves.points import Points
from releases.curves.scales import Scale, Tick
from releases.logbook_models import RunKind

WIDTH: Final = 920
LEFT: Final = 56.0
RIGHT: Final = 800.0
HEAD: Final = 40.0
"""Height of the lane of marks."""
FIRST: Final = 220.0
NEXT: Final = 96.0
GAP: Final = 20.0
FOOT: Final = 34.0
_ROOM: Final = 16.5
"""The least from one mark to the next; labels of more than two figures take more."""
_EDGE: Final = 12.0
"""How far beyond the axis a mark may move on."""
_LANE: Final = 30.0


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """One series, as paths: what was kept, and what was thrown away."""

    name: str
    title: str
    unit: str
    logarithmic: bool
    top: float
    bottom: float
    ticks: list[Tick]
    kept: str
    discarded: str
    label_y: float


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """One entry's mark, or several that stand too close."""

    x: float
    stem: float
    mark: Mark
    more: int = 0

    @property
    def label(self) -> str:
        """Its number, and how many stand with it."""
        return f"{self.mark.order}+{self.more}" if self.more else str(self.mark.order)


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the axis without numbers."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that a template draws."""

    height: float
    bottom: float
    panels: list[DrawnPanel]
    ticks: list[Tick]
    marks: list[DrawnMark]
    bands: list[Band]


@dataclass(frozen=True, slots=True)
class Segment:
    """One run in the lineage: its line, and how it came from another."""

    name: str
    kind: str
    x1: float
    x2: float
    cut: float
    """Where what was thrown away begins; x2 where nothing was."""
    y: float
    arrow: str
    """The path from the run that it went on from; empty for a start."""


def draw(picture: Picture, marks: Sequence[Mark]) -> Drawing:
    """The whole figure."""
    x = Scale(picture.window.low, picture.window.high, LEFT, RIGHT)
    panels, top = [], HEAD
    for number, panel in enumerate(picture.panels):
        bottom = top + (NEXT if number else FIRST)
        panels.append(_panel(panel, picture.window.axis, x, top, bottom))
        top = bottom + GAP
    bottom = top - GAP
    return Drawing(
        height=bottom + FOOT,
        bottom=bottom,
        panels=panels,
        ticks=axis_ticks(picture, x),
        marks=_lane(marks, x),
        bands=list(_bands(picture, x)) if picture.window.axis == "at" else [],
    )


def axis_ticks(picture: Picture, x: Scale) -> list[Tick]:
    """The marks of the common axis."""
    if picture.window.axis == "at":
        return [Tick(_r(x.place(at)), label) for at, label in scales.clock(x.low, x.high, 8)]
    return [Tick(_r(x.place(value)), scales.short(value)) for value in x.ticks(8)]


def _panel(panel: Panel, axis: str, x: Scale, top: float, bottom: float) -> DrawnPanel:
    low, high = panel.bounds or (0.0, 1.0)
    y = scales.fitted(low, high, bottom, top, logarithmic=panel.kind.logarithmic)
    kept = "".join(_path(line.points.part(0, line.kept), axis, x, y) for line in panel.lines)
    thrown = "".join(
        _path(line.points.part(max(0, line.kept - 1), len(line.points)), axis, x, y)
        for line in panel.lines
        if line.kept < len(line.points)
    )
    ends = [line.points.value[line.kept - 1] for line in panel.lines if line.kept]
    end = y.place(ends[-1]) if ends else bottom
    return DrawnPanel(
        name=panel.kind.name,
        title=str(panel.kind.title),
        unit=panel.kind.unit,
        logarithmic=y.logarithmic,
        top=top,
        bottom=bottom,
        ticks=[Tick(_r(y.place(value)), scales.short(value)) for value in y.ticks(5 if bottom - top > NEXT else 2)],
        kept=kept,
        discarded=thrown,
        label_y=_r(min(max(end, top + 12), bottom - 16)),
    )


def _path(points: Points, axis: str, x: Scale, y: Scale) -> str:
    """The points as a path; those of a single place as a short stroke, so that it is seen.

    Each is told by its distance in tenths from the one before, which packs to less than half and adds up exactly.
    """
    placed = zip(points.axis(axis), points.value, strict=True)
    spots = list(dict.fromkeys((round(x.place(at) * 10), round(y.place(value) * 10)) for at, value in placed))
    if not spots:
        return ""
    begun = f"M{spots[0][0] / 10:g} {spots[0][1] / 10:g}"
    steps = " ".join(f"{(x2 - x1) / 10:g} {(y2 - y1) / 10:g}" for (x1, y1), (x2, y2) in pairwise(spots))
    return f"{begun}l{steps}" if steps else f"{begun}h1.5"


def _lane(marks: Sequence[Mark], x: Scale) -> list[DrawnMark]:
    """Marks from left to right, as far from one another as their labels are long."""
    room = _ROOM
    while True:
        drawn = list(_fanned(marks, x, room))
        needed = 4 + 7 * max((len(each.label) for each in drawn), default=0)
        if needed <= room:
            return drawn
        room = needed


def _fanned(marks: Sequence[Mark], x: Scale, room: float) -> Iterator[DrawnMark]:
    """Those too close move on, by two thirds of the room at most, and those far too close become one of several."""
    last: DrawnMark | None = None
    for mark in marks:
        if not x.low <= mark.place <= x.high:
            continue
        stem = x.place(mark.place)
        spot = stem if last is None else max(stem, last.x + room)
        if last is not None and (stem < last.x + room / 3 or spot > RIGHT + _EDGE):
            last = DrawnMark(last.x, last.stem, last.mark, last.more + 1)
            continue
        if last is not None:
            yield last
        last = DrawnMark(_r(spot), _r(stem), mark)
    if last is not None:
        yield last


def _bands(picture: Picture, x: Scale) -> Iterator[Band]:
    """Where the clock went on and no numbers came."""
    for left, right in idle(picture):
        start, end = x.place(left), x.place(right)
        yield Band(_r(start), max(0.5, _r(end - start)))


def idle(picture: Picture) -> list[tuple[float, float]]:
    """(from, to) of the clock within the window, between the last number of one part and the first of the next."""
    low, high = picture.window.low, picture.window.high
    gaps = [(before.segment.last_at, part.segment.first_at) for before, part in pairwise(picture.parts)]
    return [
        (max(left, low), min(right, high))
        for left, right in gaps
        if left is not None and right is not None and left < right and right > low and left < high
    ]


def lineage(picture: Picture) -> tuple[list[Segment], float, list[Tick]]:
    """The runs over the whole axis: (segments, height, ticks). Each has a lane of its own, with room for its name."""
    axis = "step" if "step" in picture.axes else picture.window.axis
    spans = _spans(picture.parts, axis)
    if not spans:
        return [], 0.0, []
    low, high = min(start for start, _ in spans.values()), max(end for _, end in spans.values())
    x = Scale(min(0.0, low) if axis == "step" else low, high, LEFT, RIGHT)
    drawn: dict[int, Segment] = {}
    begun = {part.run.pk: part.begun for part in reversed(picture.parts)} if axis == "step" else {}
    cuts = _cuts(picture, begun)
    for run in picture.runs:
        if run.pk not in spans:
            continue
        parent = drawn.get(run.parent_id or 0)
        first, last = begun.get(run.pk, spans[run.pk][0]), spans[run.pk][1]
        x1, x2 = _r(x.place(first)), _r(x.place(last))
        y = 18.0 + len(drawn) * _LANE
        cut = _r(x.place(min(last, cuts.get(run.pk, math.inf))))
        arrow = _arrow(parent, x1, y) if parent else ""
        drawn[run.pk] = Segment(run.name, run.kind, x1, x2, max(x1, cut), y, arrow)
    ticks = (
        [Tick(_r(x.place(value)), scales.short(value)) for value in x.ticks(8)]
        if axis == "step"
        else axis_ticks(picture, x)
    )
    return list(drawn.values()), 18.0 + (len(drawn) - 1) * _LANE + 22.0, ticks


def _spans(parts: Iterable[Part], axis: str) -> dict[int, tuple[float, float]]:
    spans: dict[int, tuple[float, float]] = {}
    for part in parts:
        first, last = getattr(part.segment, f"first_{axis}"), getattr(part.segment, f"last_{axis}")
        if first is None:
            continue
        known = spans.get(part.run.pk, (first, last))
        spans[part.run.pk] = min(first, known[0]), max(last, known[1])
    return spans


def _cuts(picture: Picture, begun: dict[int, float]) -> dict[int, float]:
    cuts: dict[int, float] = {}
    for run in picture.runs:
        if run.parent_id and run.kind in {RunKind.RESUME, RunKind.ROLLBACK} and run.pk in begun:
            cuts[run.parent_id] = min(cuts.get(run.parent_id, math.inf), begun[run.pk])
    return cuts


def _arrow(parent: Segment, x: float, y: float) -> str:
    """From the end of the parent down, back to where the child begins, and into it."""
    turn = _r(y - 12)
    return f"M{parent.x2} {parent.y}V{turn}H{x}V{_r(y - 3)}"


def _r(number: float) -> float:
    return round(number, 1)
