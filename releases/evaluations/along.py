"""Scores along training: what was measured in one setting at several steps of one run, step by step and as a picture.

Steps are revisions that a branch or tag names by its step (releases.ladder). Only values of one task in one setting are
joined by a line, and only within one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from releases.evaluation_models import Score, ScoreQuerySet
from releases.evaluations import plot
from releases.ladder import Rung
from releases.lint.ladder import STEP, step_of
from releases.models import Ref

LEFT: Final = 70
RIGHT: Final = 760
TOP: Final = 12
BOTTOM: Final = 212
FEWEST: Final = 3
"""Steps without which there is no curve."""
MOST: Final = 4_000
"""Scores that are read for one page."""
LINES: Final = 4
"""Models that one picture can tell apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """One score at a step, and where its dot stands."""

    step: int
    score: Score
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One model's points by step. `order` is its colour."""

    name: str
    points: list[Point]
    order: int

    @property
    def path(self) -> str:
        """The line through the points, as SVG writes it."""
        return "M" + "L".join(f"{point.x:g} {point.y:g}" for point in self.points)

    @property
    def short(self) -> str:
        """The name without its lab."""
        return self.name.rpartition("/")[2]

    @property
    def key_y(self) -> int:
        """Where its name stands beside the picture."""
        return 20 + 22 * (self.order - 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """One task in one setting: `first` tells it. `left_out` counts models that the table alone has."""

    first: Score
    lines: list[Line]
    across: list[tuple[float, int]]
    up: list[plot.Tick]
    left_out: int

    @property
    def rows(self) -> list[tuple[int, list[Score | None]]]:
        """(step, the score of each line there), by step: the same as a table."""
        by_line = [{point.step: point.score for point in line.points} for line in self.lines]
        steps = sorted({step for known in by_line for step in known})
        return [(step, [known.get(step) for known in by_line]) for step in steps]


@dataclass(slots=True)
class _Series:
    """The scores of one model in one setting, by step."""

    name: str
    size: int
    by_step: dict[int, Score] = field(default_factory=dict)


def pictures(scores: ScoreQuerySet) -> list[Picture]:
    """A picture for each task and setting that was measured at three steps of a run or more. Two queries."""
    found = scores.filter(revision__refs__name__iregex=STEP).distinct().order_by("task", "pk")
    told = list(found[:MOST])
    steps = _steps(told)
    drawn = []
    for _setting, members in groupby(sorted(told, key=_key), key=_key):
        series = _series(list(members), steps)
        if series:
            drawn.append(_picture(series))
    return drawn


def table(rungs: Sequence[Rung], drawn: Sequence[Picture]) -> list[tuple[Rung, list[Score | None]]]:
    """(rung, its score in each picture of its model): one row for each step that is published."""
    known = [{point.score.revision_id: point.score for line in each.lines for point in line.points} for each in drawn]
    return [(rung, [scores.get(rung.revision.pk) for scores in known]) for rung in rungs]


def _key(score: Score) -> tuple[str, ...]:
    return (score.task, *("" if part is None else str(part) for part in score.setting))


def _steps(scores: Sequence[Score]) -> dict[int | None, int]:
    """The step of each revision; of two names the smaller one's."""
    refs = Ref.objects.filter(revision__in={score.revision_id for score in scores}, name__iregex=STEP)
    found: dict[int | None, int] = {}
    for revision, name in refs.values_list("revision", "name"):
        step = step_of(name)
        if step is not None:
            found[revision] = min(step, found.get(revision, step))
    return found


def _series(scores: Sequence[Score], steps: Mapping[int | None, int]) -> list[_Series]:
    by_model: dict[int, _Series] = {}
    for score in scores:
        if score.revision is not None and score.revision_id in steps:
            model = score.revision.model
            series = by_model.setdefault(model.pk, _Series(model.full_name, model.parameters))
            series.by_step[steps[score.revision_id]] = score
    long = [series for series in by_model.values() if len(series.by_step) >= FEWEST]
    return sorted(long, key=lambda series: (series.size, series.name))


def _picture(series: list[_Series]) -> Picture:
    shown = series[:LINES]
    every = [score for each in shown for score in each.by_step.values()]
    least, step, most = plot.scale(every, every[0].unit)
    furthest = max(max(each.by_step) for each in shown) or 1
    apart = plot.round_step(furthest / plot.STEPS)
    lines = [
        Line(
            each.name,
            [
                Point(at, score, _across(at, furthest), _up(score.value, least, most))
                for at, score in sorted(each.by_step.items())
            ],
            order,
        )
        for order, each in enumerate(shown, start=1)
    ]
    across = [(_across(apart * n, furthest), round(apart * n)) for n in range(int(furthest / apart + 1e-9) + 1)]
    count = round((most - least) / step)
    up = [plot.Tick(_up(least + step * n, least, most), round(least + step * n, 12)) for n in range(count + 1)]
    return Picture(every[0], lines, across, up, len(series) - len(shown))


def _across(step: float, furthest: float) -> float:
    return round(LEFT + step / furthest * (RIGHT - LEFT), 2)


def _up(value: float, least: float, most: float) -> float:
    place = BOTTOM - (value - least) / (most - least) * (BOTTOM - TOP)
    return round(min(float(BOTTOM), max(float(TOP), place)), 2)
