"""What a picture needs of the curves between two places of an axis: few queries, few blocks, every extreme."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from releases.curve_models import CurveBlock, CurveSegment
from releases.curves.points import BLOCK, Points, joined, unpack
from releases.curves.pyramid import Stretch, level_for, stretches
from releases.curves.thinning import between, columns

_ENOUGH: Final = 4
"""Points that are read for each pixel, at least, before each column of pixels keeps two."""
_AT_ONCE: Final = 8
"""Blocks that are unpacked together where every point is wanted."""
Key = tuple[int, int, int]
"""Segment, level, number of a block."""


@dataclass(slots=True)
class Window:
    """What is looked at: an axis from `low` to `high`, drawn `pixels` wide."""

    axis: str
    low: float
    high: float
    pixels: int


@dataclass(slots=True)
class Piece:
    """What a window shows of one segment."""

    segment: CurveSegment
    points: Points = field(default_factory=Points)


def extent(segments: Iterable[CurveSegment], axis: str) -> tuple[float, float] | None:
    """From where to where the segments reach on an axis; None where none of them has it."""
    placed = [(first, last) for first, last in (ends(segment, axis) for segment in segments) if first is not None]
    return (min(first for first, _ in placed), max(last for _, last in placed if last is not None)) if placed else None


def ends(segment: CurveSegment, axis: str) -> tuple[float | None, float | None]:
    """The first and the last place of a segment on one of AXES."""
    return getattr(segment, f"first_{axis}"), getattr(segment, f"last_{axis}")


def read(segments: Sequence[CurveSegment], window: Window) -> list[Piece]:
    """Of each segment that the window meets at most two points for each pixel, in three queries at most.

    The least and the greatest value that lie inside the window are among them, and each further extreme stands within
    a pixel of its place (where points lie evenly: within the span of the group that it is the extreme of).
    """
    met = [each for each in segments if _meets(each, window)]
    found = counted(met, window)
    plans = {each.pk: list(_plan(each, *found[each.pk], window)) for each in met}
    blocks = _fetch(
        (pk, stretch.level, number) for pk, plan in plans.items() for stretch in plan for number in stretch.blocks
    )
    pieces = []
    for each in met:
        points = joined(_cut(each.pk, stretch, blocks) for stretch in plans[each.pk])
        pieces.append(Piece(each, columns(points, window.axis, window.low, window.high, window.pixels)))
    return [piece for piece in pieces if len(piece.points)]


def counted(segments: Sequence[CurveSegment], window: Window) -> dict[int, tuple[int, int]]:
    """Which points of each segment lie in the window, by segment: (start, end) of level 0. Two queries."""
    met = [each for each in segments if _meets(each, window)]
    found = {each.pk: (0, each.points) for each in met}
    return found | _positions([each for each in met if not _inside(each, window)], window)


def every(segment: CurveSegment, start: int, end: int) -> Iterator[Points]:
    """All points from `start` up to `end`, a few blocks at a time: never more in memory than these."""
    for first in range(start, end, _AT_ONCE * BLOCK):
        stretch = Stretch(0, first, min(end, first + _AT_ONCE * BLOCK))
        yield _cut(segment.pk, stretch, _fetch((segment.pk, 0, number) for number in stretch.blocks))


def _meets(segment: CurveSegment, window: Window) -> bool:
    first, last = ends(segment, window.axis)
    return first is not None and last is not None and first <= window.high and last >= window.low


def _inside(segment: CurveSegment, window: Window) -> bool:
    first, last = ends(segment, window.axis)
    return first is not None and last is not None and first >= window.low and last <= window.high


def _plan(segment: CurveSegment, start: int, end: int, window: Window) -> Iterable[Stretch]:
    first, last = ends(segment, window.axis)
    width = (min(last or 0.0, window.high) - max(first or 0.0, window.low)) / ((window.high - window.low) or 1.0)
    pixels = max(1, round(width * window.pixels))
    return stretches(start, end, level_for(end - start, segment.levels, _ENOUGH * pixels), segment.points)


def _positions(cut: Sequence[CurveSegment], window: Window) -> dict[int, tuple[int, int]]:
    """Where the window begins and ends among the points of segments that reach beyond it. Two queries."""
    starts: dict[int, list[float]] = defaultdict(list)
    column = f"first_{window.axis}"
    heads = CurveBlock.objects.filter(segment__in=[each.pk for each in cut], level=0).order_by("segment", "number")
    for pk, first in heads.values_list("segment_id", column):
        starts[pk].append(first)
    edges: dict[int, tuple[int, int]] = {}
    for pk, firsts in starts.items():
        low = next((n for n, first in enumerate(firsts) if first >= window.low), len(firsts))
        edges[pk] = max(0, low - 1), max(0, bisect_right(firsts, window.high) - 1)
    blocks = _fetch((pk, 0, number) for pk, pair in edges.items() for number in set(pair))
    found = {}
    for pk, (left, right) in edges.items():
        start, _ = between(blocks[pk, 0, left].axis(window.axis), window.low, window.high)
        _, end = between(blocks[pk, 0, right].axis(window.axis), window.low, window.high)
        found[pk] = left * BLOCK + start, right * BLOCK + end
    return found


def _cut(pk: int, stretch: Stretch, blocks: dict[Key, Points]) -> Points:
    first = stretch.blocks.start
    whole = joined(blocks[pk, stretch.level, number] for number in stretch.blocks)
    return whole.part(stretch.start - first * BLOCK, stretch.end - first * BLOCK)


def _fetch(wanted: Iterable[Key]) -> dict[Key, Points]:
    """These blocks, in one query."""
    keys = sorted(set(wanted))
    if not keys:
        return {}
    pks, levels, numbers = (list(column) for column in zip(*keys, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.segment_id, b.level, b.number, b.data FROM releases_curveblock b"
            " JOIN unnest(%s::bigint[], %s::int[], %s::int[]) AS w(segment, level, number)"
            " ON b.segment_id = w.segment AND b.level = w.level AND b.number = w.number",
            [pks, levels, numbers],
        )
        return {(pk, level, number): unpack(bytes(data)) for pk, level, number, data in cursor.fetchall()}
