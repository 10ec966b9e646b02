"""What follows from runs, entries and curves: restarts by cause, what each cost, goodput. Nothing is supposed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final

from releases.curve_models import CurveSegment
from releases.curves.marks import FAULTS, SETTINGS, Brief, Track
from releases.logbook_models import Kind, Run, RunKind

_CAUSES: Final = FAULTS | SETTINGS | {Kind.DIVERGENCE}
_FAILURES: Final = FAULTS | {Kind.DIVERGENCE}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of training between two starts, as one series tells it."""

    run: Run
    segment: CurveSegment
    opens_run: bool

    @property
    def stride(self) -> float:
        """Steps between two of its points, on the whole; 0 for one point."""
        first, last = self.segment.first_step or 0.0, self.segment.last_step or 0.0
        return (last - first) / (self.segment.points - 1) if self.segment.points > 1 else 0.0

    @property
    def begun(self) -> float:
        """The step it began at: where the log says so, else one stride before its first point."""
        if self.opens_run and self.run.parent_step is not None:
            return float(self.run.parent_step)
        return max(0.0, (self.segment.first_step or 0.0) - self.stride)


@dataclass(frozen=True, slots=True)
class Restart:
    """One start after the first: why, from where to where, and what it cost. None: not measured."""

    run: Run
    cause: str
    """A kind of entry; empty where the log tells none."""
    entry: Brief | None
    reached: float
    begun: float
    repeated_s: float | None
    """What the steps that were thrown away had taken."""
    idle_s: float | None
    """From the last number before to the first number after."""

    @property
    def steps(self) -> float:
        """Steps that had to be done again."""
        return max(0.0, self.reached - self.begun)

    @property
    def lost_s(self) -> float | None:
        """Seconds lost: repeated and idle."""
        return None if self.repeated_s is None or self.idle_s is None else self.repeated_s + self.idle_s


@dataclass(frozen=True, slots=True)
class Figures:
    """All derived figures. What could not be derived is None, and pages say “not measured”."""

    restarts: list[Restart]
    causes: list[tuple[str, int]]
    """(kind of entry, restarts), the most frequent first."""
    first: float
    last: float
    running_s: float | None

    @property
    def useful(self) -> float:
        """Steps that the result stands on."""
        return self.last - self.first

    @property
    def repeated(self) -> float:
        """Steps that were done again, or thrown away."""
        return sum(restart.steps for restart in self.restarts)

    @property
    def goodput(self) -> float | None:
        """Useful steps among all that were done."""
        done = self.useful + self.repeated
        return self.useful / done if done > 0 else None

    @property
    def failures(self) -> int:
        """Restarts that a fault or a divergence caused, and no decision."""
        return sum(1 for restart in self.restarts if restart.cause in _FAILURES)

    @property
    def between_failures_s(self) -> float | None:
        """Mean time that the training ran for each failure."""
        return self.running_s / self.failures if self.running_s is not None and self.failures else None

    @property
    def lost_s(self) -> float | None:
        """Seconds that all restarts cost; None where one of them was not measured."""
        costs = [restart.lost_s for restart in self.restarts]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


def derive(parts: Sequence[Part], entries: Sequence[Brief], tracks: Sequence[Track]) -> Figures | None:
    """The figures of the parts, in the order in which they were trained; None where no steps were measured."""
    parts = [part for part in parts if part.segment.first_step is not None]
    if not parts:
        return None
    told = _Told(entries)
    restarts = [
        _restart(before, part, told, tracks)
        for before, part in pairwise(parts)
        if not (part.opens_run and part.run.kind in {RunKind.START, RunKind.FORK})
    ]
    counts: dict[str, int] = {}
    for restart in restarts:
        counts[restart.cause] = counts.get(restart.cause, 0) + 1
    return Figures(
        restarts=restarts,
        causes=sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])),
        first=parts[0].begun,
        last=parts[-1].segment.last_step or 0.0,
        running_s=_running(parts),
    )


class _Told:
    """The entries of a logbook in their order, by the run that they name."""

    def __init__(self, entries: Sequence[Brief]) -> None:
        self.first: dict[int | None, int] = {}
        """Where the first entry of each run stands."""
        self.causes: dict[int | None, list[tuple[int, Brief]]] = defaultdict(list)
        for number, entry in enumerate(entries):
            self.first.setdefault(entry.run_id, number)
            if entry.kind in _CAUSES and entry.step is not None:
                self.causes[entry.run_id].append((number, entry))


def _restart(before: Part, part: Part, told: _Told, tracks: Sequence[Track]) -> Restart:
    entry = _cause(before, part, told)
    left, went_on = before.segment.last_at, part.segment.first_at
    stood = _when(before, part.begun, tracks)
    return Restart(
        run=part.run,
        cause=entry.kind if entry else "",
        entry=entry,
        reached=before.segment.last_step or 0.0,
        begun=part.begun,
        repeated_s=None if left is None or stood is None else max(0.0, left - stood),
        idle_s=None if left is None or went_on is None else max(0.0, went_on - left),
    )


def _when(part: Part, step: float, tracks: Sequence[Track]) -> float | None:
    """When a part stood at a step: read between two of its points; its beginning where it never was before it."""
    first = part.segment.first_step
    if first is not None and step <= first:
        return part.segment.first_at
    own = [track.read("step", step, "at") for track in tracks if track.run == part.run.pk]
    known = [moment for moment in own if moment is not None]
    return known[-1] if known else part.segment.last_at


def _cause(before: Part, part: Part, told: _Told) -> Brief | None:
    """What happened last between the step that was gone back to and the step that had been reached.

    Looked for among entries of the two runs that stand before the new one's second; where none has such a step, the
    log tells no cause.
    """
    own = told.first.get(part.run.pk)
    if not part.opens_run or own is None:
        return None
    reached = (before.segment.last_step or 0.0) + before.stride
    beside = (each for run in {part.run.pk, before.run.pk, None} for each in told.causes.get(run, []))
    near = [(number, entry) for number, entry in beside if number <= own and part.begun <= (entry.step or 0) <= reached]
    return max(near, key=itemgetter(0))[1] if near else None


def _running(parts: Sequence[Part]) -> float | None:
    spans = [(part.segment.first_at, part.segment.last_at) for part in parts]
    if any(first is None or last is None for first, last in spans):
        return None
    return sum(last - first for first, last in spans if first is not None and last is not None)
