"""Points of a curve, packed: columns of little-endian float64, shuffled by byte and compressed.

Steps, tokens and moments are kept as float64 too: they are exact to 2⁵³, and one type makes one code path. An axis
that a point does not have is NaN. Shuffling puts the first bytes of all numbers beside one another; axes, whose high
bytes hardly change, then compress to almost nothing, without a library.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

AXES: Final = ("step", "tokens", "at")
"""What a point may be placed by: training step, tokens seen, seconds since 1970 (UTC)."""
BLOCK: Final = 4096
"""Points of a full block."""
_WIDTH: Final = 8
_COLUMNS: Final = 4
_HEAD: Final = struct.Struct("<I")


def _column() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Points:
    """Points in the order in which they were written down; four columns of one length."""

    step: array[float] = field(default_factory=_column)
    tokens: array[float] = field(default_factory=_column)
    at: array[float] = field(default_factory=_column)
    value: array[float] = field(default_factory=_column)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def columns(self) -> tuple[array[float], ...]:
        """The four columns: the axes, then the value."""
        return self.step, self.tokens, self.at, self.value

    def axis(self, name: str) -> array[float]:
        """The column of one of AXES."""
        return {"step": self.step, "tokens": self.tokens, "at": self.at}[name]

    def append(self, step: float, tokens: float, at: float, value: float) -> None:
        """One more point."""
        self.step.append(step)
        self.tokens.append(tokens)
        self.at.append(at)
        self.value.append(value)

    def extend(self, more: Points) -> None:
        """All points of another, after these."""
        for mine, theirs in zip(self.columns, more.columns, strict=True):
            mine.extend(theirs)

    def part(self, start: int, end: int) -> Points:
        """The points from `start` up to `end`."""
        return Points(*(column[start:end] for column in self.columns))

    def taken(self, positions: Sequence[int]) -> Points:
        """The points at these positions, in this order."""
        return Points(*(array("d", map(column.__getitem__, positions)) for column in self.columns))


def extremes(values: Sequence[float]) -> tuple[int, int]:
    """Where the least and the greatest value are, the earlier first; twice the same place for values that are equal."""
    low, high = values.index(min(values)), values.index(max(values))
    return (low, high) if low < high else (high, low)


def thinned(points: Points, every: int) -> Points:
    """The two extremes of each `every` points, in their order: exactly two for each group, also where they are one."""
    values = points.value
    positions: list[int] = []
    for start in range(0, len(values), every):
        low, high = extremes(values[start : start + every])
        positions += (start + low, start + high)
    return points.taken(positions)


def pack(points: Points) -> bytes:
    """The points as bytes, at most BLOCK of them."""
    return _HEAD.pack(len(points)) + zlib.compress(b"".join(map(_shuffled, points.columns)), 1)


def unpack(data: bytes) -> Points:
    """What pack() made. Raises ValueError for anything else."""
    (count,) = _HEAD.unpack_from(data)
    if count > BLOCK:
        raise ValueError("A block of more points than any.")
    size = count * _WIDTH
    raw = zlib.decompressobj().decompress(data[_HEAD.size :], size * _COLUMNS + 1)
    if len(raw) != size * _COLUMNS:
        raise ValueError("A block of another length than it says.")
    return Points(*(_restored(raw[start : start + size]) for start in range(0, size * _COLUMNS, size)) if size else ())


def joined(parts: Iterable[Points]) -> Points:
    """All of them, one after the other."""
    whole = Points()
    for part in parts:
        whole.extend(part)
    return whole


def _shuffled(column: array[float]) -> bytes:
    raw = _little(column).tobytes()
    return b"".join(raw[byte::_WIDTH] for byte in range(_WIDTH))


def _restored(raw: bytes) -> array[float]:
    count = len(raw) // _WIDTH
    plain = bytearray(len(raw))
    for byte in range(_WIDTH):
        plain[byte::_WIDTH] = raw[byte * count : (byte + 1) * count]
    column = array("d")
    column.frombytes(plain)
    return _little(column)


def _little(column: array[float]) -> array[float]:
    if sys.byteorder == "little":
        return column
    turned = column[:]
    turned.byteswap()
    return turned
