"""Rows into curves: one pyramid under way for each series of each run, its blocks written as they fill."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from portal.errors import Invalid
from releases.curve_models import Curve, CurveBlock, CurveSegment, Recording
from releases.curves import names
from releases.curves.points import Points, pack
from releases.curves.pyramid import Pyramid
from releases.curves.rows import Row
from releases.logbook_models import Run

MOST_CURVES: Final = 64
"""Series of one run."""
MOST_SEGMENTS: Final = 500
"""Of one curve. A file in no order has one for every row."""
MOST_RUNS: Final = 500
"""Of one file, whose segments become runs."""
_BATCH: Final = 32
"""Blocks that are written with one statement, about 3 MB."""

FindRun = Callable[[int | None], Run]
"""The run of a part, as the source numbers it; None where it numbers none."""
MakeRoom = Callable[[Run, str], None]
"""Called with a run and the name of the series that it is about to have."""


@dataclass(slots=True)
class _Open:
    """A segment under way."""

    row: CurveSegment
    key: tuple[int, bool, bool, bool]
    pyramid: Pyramid


@dataclass(slots=True)
class _Series:
    """A curve under way."""

    curve: Curve
    count: int = 0
    under_way: _Open | None = None


@dataclass(slots=True)
class Recorder:
    """Takes the rows of one file. `take` everything, then `close`."""

    recording: Recording
    find_run: FindRun
    make_room: MakeRoom
    _series: dict[tuple[int | None, str], _Series] = field(default_factory=dict)
    _blocks: list[CurveBlock] = field(default_factory=list)
    _names: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of the series of each run."""
    _placed: set[bool] = field(default_factory=set)
    """Whether segments stand anywhere on an axis."""

    def take(self, rows: Iterable[Row]) -> None:
        """Keep the rows. Raises Invalid where there are too many series, or the rows are in no order."""
        count = 0
        series, isfinite = self._series, math.isfinite
        for step, tokens, at, segment, part, values in rows:
            count += 1
            key = (segment, step == step, tokens == tokens, at == at)
            for name, value in values.items():
                known = series.get((part, name)) or self._begun(part, name)
                if not isfinite(value):
                    known.curve.left_out += 1
                    continue
                under_way = known.under_way
                if under_way is None or under_way.key != key:
                    under_way = self._next(known, key)
                under_way.pyramid.append(step, tokens, at, value)
        self.recording.rows += count

    def close(self) -> None:
        """Write what is left. Raises Invalid where the file held no number, or none that has a place."""
        if not self._series:
            raise Invalid("This file holds no numbers that could be drawn.")
        if self._placed == {False}:
            raise Invalid("No row of this file says its step, its tokens or its time, so nothing can be drawn.")
        for series in self._series.values():
            self._finish(series)
            series.curve.save(update_fields=["points", "left_out"])
        self._write()
        self.recording.save(update_fields=["rows"])

    def _begun(self, part: int | None, source: str) -> _Series:
        run, name = self.find_run(part), names.known(source)
        taken = self._names[run.pk]
        if len(self._names) > MOST_RUNS:
            raise Invalid(
                f"The segments of this file would be more than {MOST_RUNS} runs. Leave out what numbers them."
            )
        if len(taken) >= MOST_CURVES:
            raise Invalid(f"Run {run.name} has more than {MOST_CURVES} series. Leave out those that nobody reads.")
        if name in taken:
            raise Invalid(
                f"Run {run.name} has two series that are both {name} here, one of them {source:.80}. Rename one."
            )
        taken.add(name)
        self.make_room(run, name)
        curve = Curve.objects.create(run=run, recording=self.recording, name=name, source_name=names.written(source))
        self._series[part, source] = begun = _Series(curve)
        return begun

    def _next(self, series: _Series, key: tuple[int, bool, bool, bool]) -> _Open:
        self._finish(series)
        self._placed.add(any(key[1:]))
        if series.count >= MOST_SEGMENTS:
            raise Invalid(
                f"{series.curve.source_name:.80} goes back more than {MOST_SEGMENTS} times. "
                "Rows must be in the order in which they were measured."
            )
        row = CurveSegment.objects.create(
            curve=series.curve, number=series.count, points=1, levels=1, least=math.inf, greatest=-math.inf
        )
        series.count += 1

        def emit(level: int, number: int, points: Points) -> None:
            self._emit(row, level, number, points)

        series.under_way = _Open(row, key, Pyramid(emit))
        return series.under_way

    def _emit(self, row: CurveSegment, level: int, number: int, points: Points) -> None:
        if level == 0:
            row.least, row.greatest = min(row.least, *points.value), max(row.greatest, *points.value)
            if number == 0:
                row.first_step, row.first_tokens, row.first_at = (_place(axis[0]) for axis in points.columns[:3])
            row.last_step, row.last_tokens, row.last_at = (_place(axis[-1]) for axis in points.columns[:3])
        self._blocks.append(
            CurveBlock(
                segment=row,
                level=level,
                number=number,
                first_step=_place(points.step[0]),
                first_tokens=_place(points.tokens[0]),
                first_at=_place(points.at[0]),
                data=pack(points),
            )
        )
        if len(self._blocks) == _BATCH:
            self._write()

    def _finish(self, series: _Series) -> None:
        if series.under_way is None:
            return
        row, pyramid = series.under_way.row, series.under_way.pyramid
        row.levels, row.points = pyramid.close(), pyramid.count
        row.save()
        series.curve.points += row.points
        series.under_way = None

    def _write(self) -> None:
        CurveBlock.objects.bulk_create(self._blocks)
        self._blocks = []


def _place(number: float) -> float | None:
    return None if math.isnan(number) else number
