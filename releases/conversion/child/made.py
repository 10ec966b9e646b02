"""A tensor that is yet to be made: what it will be is known before its bytes are needed, so few are held at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from releases.conversion.child.digest import raw

Get = Callable[[str], torch.Tensor]
"""A finished tensor by its name, read back from what was written."""


@dataclass(frozen=True, slots=True)
class Made:
    """One tensor of the result, and how to make it."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], torch.Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        elements = 1
        for length in self.shape:
            elements *= length
        return elements * int(self.dtype.itemsize)

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Made:
        """One that is there already."""
        return cls(tensor.dtype, tuple(tensor.shape), lambda: tensor)


@dataclass(frozen=True, slots=True)
class Cutting:
    """One piece of a source, and how it is cut again from the finished tensors: that is the proof."""

    file: str
    key: str
    piece: Made
    again: Callable[[Get], torch.Tensor]

    def holds(self, get: Get) -> bool:
        """Whether the piece comes out again, bit by bit."""
        return same(self.piece.make(), self.again(get))


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have one type, one shape and the same bits."""
    return bool(one.dtype == other.dtype and one.shape == other.shape and torch.equal(raw(one), raw(other)))
