"""Entries of the logbook as marks on the picture: where each stands on an axis, which shape it has, and which stand together."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from django.utils.translation import gettext_lazy as _

from releases.curves.points import Points
from releases.logbook_models import Confidence, Entry, Kind

MOST: Final = 400
"""Marks of one picture for programs. Beyond, those that stand together are one."""
SHAPES: Final = {
    "launch": _("launch"),
    "restart": _("restart"),
    "setting": _("setting changed"),
    "divergence": _("divergence"),
    "rollback": _("rollback"),
    "fault": _("fault"),
    "note": _("note"),
    "end": _("end"),
}
"""Each has its own form and filling, so that no colour is needed to tell them apart."""
FAULTS: Final = frozenset({Kind.HARDWARE, Kind.SOFTWARE, Kind.STORAGE, Kind.VENDOR, Kind.INCIDENT, Kind.BUG, Kind.DATA})
SETTINGS: Final = frozenset(
    {Kind.HYPERPARAMETER, Kind.OPTIMIZER, Kind.LOSS_SCALE, Kind.ARCHITECTURE, Kind.CONFIGURATION, Kind.DECISION}
)
_SHAPE_OF: Final = {
    **dict.fromkeys(FAULTS, "fault"),
    **dict.fromkeys(SETTINGS, "setting"),
    Kind.LAUNCH: "launch",
    Kind.RESTART: "restart",
    Kind.ROLLBACK: "rollback",
    Kind.DIVERGENCE: "divergence",
    Kind.RUN_END: "end",
    Kind.COMPLETE: "end",
}
_SURE: Final = {Confidence.EXACT, Confidence.MINUTE}


class Brief(NamedTuple):
    """What places an entry and tells a cause: all of a long logbook's entries are read so, and the words of few."""

    order: int
    run_id: int | None
    kind: str
    step: int | None
    at: datetime | None
    confidence: str


@dataclass(slots=True)
class Mark:
    """One entry on the axis. `read` says that its place was read off the curves, between two measured points."""

    brief: Brief
    place: float
    read: bool
    more: int = 0
    """Entries after it that stand together with it, and have no mark of their own."""
    entry: Entry | None = None
    """With its words, where it is shown: placed.tell()."""

    @property
    def order(self) -> int:
        """The entry's number."""
        return self.brief.order

    @property
    def shape(self) -> str:
        """The form it is drawn in."""
        return shape_of(self.brief.kind)


@dataclass(frozen=True, slots=True)
class Track:
    """Where one run was when: points of one of its curves, in which no axis goes back."""

    run: int
    points: Points

    def read(self, known: str, value: float, wanted: str) -> float | None:
        """The place on the axis `wanted` where the run stood at `value` of `known`; None outside of the track."""
        places, other = self.points.axis(known), self.points.axis(wanted)
        if not places or not places[0] <= value <= places[-1]:
            return None
        at = bisect_left(places, value)
        if places[at] == value or at == 0:
            found = other[at]
        else:
            share = (value - places[at - 1]) / (places[at] - places[at - 1])
            found = other[at - 1] + share * (other[at] - other[at - 1])
        return found if found == found else None


def shape_of(kind: str) -> str:
    """The shape of a kind of entry."""
    return _SHAPE_OF.get(Kind(kind), "note")


def place(entries: Iterable[Brief], axis: str, tracks: Sequence[Track]) -> list[Mark]:
    """The marks of those entries that have a place on the axis, in its order."""
    newest = list(reversed(tracks))
    own: Mapping[int | None, list[Track]] = defaultdict(list)
    for track in newest:
        own[track.run].append(track)
    found = []
    for entry in entries:
        spot, read = _spot(entry, axis, own, newest)
        if spot is not None:
            found.append(Mark(entry, spot, read))
    return sorted(found, key=lambda mark: (mark.place, mark.order))


def spread(found: Sequence[Mark], low: float, high: float) -> list[Mark]:
    """The marks, MOST at most: of more, the first in each of as many equal parts of the window stands for those in it."""
    if len(found) <= MOST:
        return list(found)
    parts: dict[int, list[Mark]] = defaultdict(list)
    for mark in found:
        parts[min(MOST - 1, int((mark.place - low) / ((high - low) or 1.0) * MOST))].append(mark)
    return [replace(first, more=len(rest)) for first, *rest in parts.values()]


def _spot(
    entry: Brief, axis: str, own: Mapping[int | None, list[Track]], newest: Sequence[Track]
) -> tuple[float | None, bool]:
    moment = entry.at.timestamp() if entry.at else None
    if axis == "step" and entry.step is not None:
        return float(entry.step), False
    if axis == "at" and moment is not None:
        return moment, False
    if entry.step is not None:
        return _read("step", float(entry.step), axis, own[entry.run_id], newest), True
    if moment is not None and entry.confidence in _SURE:
        return _read("at", moment, axis, own[entry.run_id], newest), True
    return None, False


def _read(known: str, value: float, axis: str, own: Sequence[Track], newest: Sequence[Track]) -> float | None:
    """Off the tracks of the entry's run, the newest first; off all where it names none, or its run has none there."""
    for track in (*own, *newest):
        if (found := track.read(known, value, axis)) is not None:
            return found
    return _nearest(own, known, value, axis)


def _nearest(own: Sequence[Track], known: str, value: float, axis: str) -> float | None:
    """The end of the run's tracks next to the value: an entry just before the first number, or just after the last."""
    ends = [(track.points.axis(known)[at], track.points.axis(axis)[at]) for track in own for at in (0, -1)]
    sure = [(abs(where - value), there) for where, there in ends if where == where and there == there]
    return min(sure)[1] if sure else None
