"""What both stores say about an object that is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Mismatch(Exception):
    """The bytes that came are not those that were announced."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Where the parts of an upload go, in order, and the store's own name for the upload, if it has one."""

    links: Sequence[str]
    reference: str = ""


def spans(size: int, part_bytes: int) -> list[tuple[int, int]]:
    """(offset, bytes) of each part of an object of `size` > 0 bytes."""
    return [(start, min(part_bytes, size - start)) for start in range(0, size, part_bytes)]
