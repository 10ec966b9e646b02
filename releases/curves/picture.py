"""The picture of a logbook: its runs' curves over one axis, what was thrown away, and its entries as marks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from releases.curve_models import Curve, CurveSegment
from releases.curves import names, windows
from releases.curves.figures import Part
from releases.curves.marks import Track
from releases.curves.points import AXES, Points
from releases.curves.windows import Window
from releases.logbook_models import Logbook, Run, RunKind

MOST_PANELS: Final = 8
MOST_PIXELS: Final = 2000
_GUIDE_PIXELS: Final = 400


@dataclass(slots=True)
class Line:
    """One run's points of one series in the window, as far as no axis goes back."""

    run: Run
    segment: int
    points: Points
    kept: int
    """So many of the points were gone on from; those after them were thrown away by a rollback or a restart."""


@dataclass(slots=True)
class Panel:
    """One series over the window. `counted` are its points there are in all, outside of the window too."""

    kind: names.Kind
    lines: list[Line] = field(default_factory=list)
    counted: int = 0
    left_out: int = 0

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest value that is shown."""
        values = [value for line in self.lines for value in (min(line.points.value), max(line.points.value))]
        return (min(values), max(values)) if values else None

    def change(self) -> tuple[float, float] | None:
        """The first and the last value in the window of what was gone on from, None where there are not two."""
        kept = [line.points.part(0, line.kept) for line in self.lines if line.kept]
        if sum(map(len, kept)) < 2:
            return None
        return kept[0].value[0], kept[-1].value[-1]

    @property
    def difference(self) -> float | None:
        """From the first to the last of change()."""
        found = self.change()
        return found[1] - found[0] if found else None


@dataclass(slots=True)
class Wish:
    """What the reader asks to see; what is left out is chosen for them."""

    axis: str = ""
    low: float | None = None
    high: float | None = None
    series: Sequence[str] = ()
    pixels: int = 800


@dataclass(slots=True)
class Picture:
    """What is drawn. `axes` are those that the curves have, `series` all that could be chosen."""

    window: Window
    whole: tuple[float, float]
    axes: list[str]
    series: list[names.Kind]
    panels: list[Panel]
    runs: list[Run]
    parts: list[Part]
    """The stretches of training, by the series that tells most of them."""
    tracks: list[Track]
    shown: list[CurveSegment]
    """The segments of the series that are drawn."""
    limits: dict[tuple[int, int], float]
    """See discarded_after()."""
    curves: dict[int, Curve]
    """Those that are drawn, by id."""


def draw(logbook: Logbook, wish: Wish) -> Picture | None:
    """The picture as wished, or None where the logbook has no curves with a place. Nine queries at most, whatever it holds."""
    runs = list(logbook.runs.select_related("parent"))
    curves = list(Curve.objects.filter(run__in=runs).order_by("run", "pk"))
    segments = list(CurveSegment.objects.filter(curve__in=curves).order_by("curve", "number"))
    axes = [axis for axis in AXES if any(windows.ends(each, axis)[0] is not None for each in segments)]
    if not axes:
        return None
    axis = wish.axis if wish.axis in axes else axes[0]
    series = sorted({curve.name for curve in curves}, key=names.order)
    chosen = _chosen(series, wish.series)
    by_curve = {curve.pk: curve for curve in curves if curve.name in chosen}
    shown = [each for each in segments if each.curve_id in by_curve]
    whole = windows.extent(shown, axis) or windows.extent(segments, axis) or (0.0, 1.0)
    window = Window(axis, *_bounds(whole, wish.low, wish.high), min(max(wish.pixels, 100), MOST_PIXELS))
    limits = discarded_after(runs, curves, segments)
    by_run = {run.pk: run for run in runs}
    panels = {name: Panel(names.kind_of(name)) for name in chosen}
    for curve in by_curve.values():
        panels[curve.name].counted += curve.points
        panels[curve.name].left_out += curve.left_out
    for piece in windows.read(shown, window):
        curve = by_curve[piece.segment.curve_id]
        limit = limits.get((curve.pk, piece.segment.number), math.inf)
        kept = _kept(piece.points, limit)
        panels[curve.name].lines.append(Line(by_run[curve.run_id], piece.segment.number, piece.points, kept))
    parts = _parts(runs, curves, segments)
    return Picture(
        window=window,
        whole=whole,
        axes=axes,
        series=[names.kind_of(name) for name in series],
        panels=list(panels.values()),
        runs=runs,
        parts=parts,
        tracks=_tracks(parts),
        shown=shown,
        limits=limits,
        curves=by_curve,
    )


def _parts(runs: Sequence[Run], curves: Sequence[Curve], segments: Sequence[CurveSegment]) -> list[Part]:
    """The segments of one series of each run (of its steps if it has any, and of those the fullest), as trained."""
    fullest: dict[int, Curve] = {}
    stepped = {each.curve_id for each in segments if each.first_step is not None}
    for curve in curves:
        known = fullest.get(curve.run_id)
        if known is None or (curve.pk in stepped, curve.points) > (known.pk in stepped, known.points):
            fullest[curve.run_id] = curve
    own: dict[int, list[CurveSegment]] = defaultdict(list)
    for each in segments:
        own[each.curve_id].append(each)
    return [
        Part(run, each, opens_run=not number)
        for run in runs if run.pk in fullest
        for number, each in enumerate(own[fullest[run.pk].pk])
    ]  # fmt: skip


def _tracks(parts: Sequence[Part]) -> list[Track]:
    """Where the parts stood when, in a few hundred points each."""
    by_pk = {part.segment.pk: part.run.pk for part in parts}
    stepped = [part.segment for part in parts if part.segment.first_step is not None]
    whole = windows.extent(stepped, "step")
    if whole is None:
        return []
    return [
        Track(by_pk[piece.segment.pk], piece.points)
        for piece in windows.read(stepped, Window("step", *whole, _GUIDE_PIXELS))
    ]


def discarded_after(
    runs: Iterable[Run], curves: Iterable[Curve], segments: Iterable[CurveSegment]
) -> dict[tuple[int, int], float]:
    """The step after which a segment's points were thrown away, by (curve, segment); those without are kept whole.

    A run that was resumed or rolled back from another throws away what that one, and those before it, did beyond the
    step that it went on from; where the log does not tell the step, from the first step that was measured again. A
    fork throws nothing away.
    """
    runs, curves, segments = list(runs), list(curves), list(segments)
    run_of = {curve.pk: curve.run_id for curve in curves}
    begins: dict[int, float] = {}
    for each in segments:
        if each.first_step is not None:
            run = run_of[each.curve_id]
            begins[run] = min(begins.get(run, math.inf), each.first_step)
    limits = _of_runs(runs, begins)
    found: dict[tuple[int, int], float] = {}
    again: dict[int, float] = {}
    for each in sorted(segments, key=lambda segment: (segment.curve_id, -segment.number)):
        limit = min(limits.get(run_of[each.curve_id], math.inf), again.get(each.curve_id, math.inf))
        if limit < math.inf:
            found[each.curve_id, each.number] = limit
        if each.first_step is not None:
            before = math.nextafter(each.first_step, -math.inf)
            again[each.curve_id] = min(again.get(each.curve_id, math.inf), before)
    return found


def _of_runs(runs: Sequence[Run], begins: Mapping[int, float]) -> dict[int, float]:
    """By run, the least step that it, or a run after it, was gone back to. A run stands behind the one it came from."""
    limits: dict[int, float] = {}
    for run in sorted(runs, key=lambda run: -run.pk):
        limit = limits.get(run.pk, math.inf)
        if run.kind in {RunKind.RESUME, RunKind.ROLLBACK}:
            known = run.parent_step is not None
            own = float(run.parent_step or 0) if known else math.nextafter(begins.get(run.pk, math.inf), -math.inf)
            limit = min(limit, own)
        if run.parent_id is not None and limit < math.inf:
            limits[run.parent_id] = min(limits.get(run.parent_id, math.inf), limit)
    return limits


def _kept(points: Points, limit: float) -> int:
    if limit == math.inf or math.isnan(points.step[0]):
        return len(points)
    return bisect_right(points.step, limit)


def _chosen(series: Sequence[str], wished: Sequence[str]) -> list[str]:
    wanted = [name for name in series if name in wished]
    return (wanted or [name for name in series if name in names.FIRST] or list(series))[:MOST_PANELS]


def _bounds(whole: tuple[float, float], low: float | None, high: float | None) -> tuple[float, float]:
    """What was asked for, within the whole; the whole where that is nothing."""
    start = whole[0] if low is None or not math.isfinite(low) else max(low, whole[0])
    end = whole[1] if high is None or not math.isfinite(high) else min(high, whole[1])
    return (start, end) if start < end else whole
