"""The pyramid over one segment of a curve: levels of extremes, each an eighth of the one below.

Level 0 are the points themselves. Level 1 has the least and the greatest point of each 16; each further level those of
each 16 points below it. So two points of level k stand for 16 · 8^(k-1) points, none of which is beyond them, and every
level consists of true points, at their true places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from releases.curves.points import BLOCK, Points, thinned

EVERY: Final = 16
_SHRINK: Final = EVERY // 2

Emit = Callable[[int, int, Points], None]
"""emit(level, number, points): a block is full, or the last of its level."""


class Pyramid:
    """Takes the points of one segment in their order and gives away blocks, of every level, as they fill."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._open: list[Points] = [Points()]
        self._full: list[int] = [0]
        self.count = 0

    def append(self, step: float, tokens: float, at: float, value: float) -> None:
        """One more point."""
        lowest = self._open[0]
        lowest.append(step, tokens, at, value)
        self.count += 1
        if len(lowest.value) == BLOCK:
            self._flush(0)

    def close(self) -> int:
        """Give away what is left; how many levels there are. A level of one block has none above it."""
        level = 0
        while level < len(self._open):
            if len(self._open[level]):
                self._flush(level, last=True)
            level += 1
        return max(1, sum(1 for full in self._full if full))

    def _flush(self, level: int, *, last: bool = False) -> None:
        points, self._open[level] = self._open[level], Points()
        self._emit(level, self._full[level], points)
        self._full[level] += 1
        if last and self._full[level] == 1:
            return
        if level + 1 == len(self._open):
            self._open.append(Points())
            self._full.append(0)
        self._open[level + 1].extend(thinned(points, EVERY))  # an eighth of a block: eight of them fill one exactly
        if len(self._open[level + 1].value) == BLOCK:
            self._flush(level + 1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Points from `start` up to `end` of one level."""

    level: int
    start: int
    end: int

    @property
    def blocks(self) -> range:
        """Numbers of the blocks that hold them."""
        return range(self.start // BLOCK, (self.end - 1) // BLOCK + 1)


def span(level: int) -> int:
    """How many points of level 0 a pair of points of this level stands for; 1 for level 0 itself."""
    return EVERY * _SHRINK ** (level - 1) if level else 1


def level_for(count: int, levels: int, wanted: int) -> int:
    """The highest of `levels` that has at least `wanted` points for `count` of level 0."""
    for level in range(levels - 1, 0, -1):
        if 2 * count // span(level) >= wanted:
            return level
    return 0


def stretches(start: int, end: int, level: int, count: int) -> Iterator[Stretch]:
    """What to read so that level 0's points from `start` to `end` are stood for, by no point outside of them.

    Whole groups are read at `level`; what is left at both edges one level lower, and so on down to the points.
    `count` is the number of points of level 0, whose last group may be short.
    """
    if start >= end:
        return
    if level == 0:
        yield Stretch(0, start, end)
        return
    size = span(level)
    first, last = -(-start // size), (-(-count // size) if end == count else end // size)
    if first >= last:
        yield from stretches(start, end, level - 1, count)
        return
    yield from stretches(start, min(first * size, end), level - 1, count)
    yield Stretch(level, 2 * first, 2 * last)
    yield from stretches(min(last * size, end), end, level - 1, count)
