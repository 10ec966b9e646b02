"""SHA-256, BLAKE3 and the digest of every tensor of one file, in one pass and in constant memory.

A tensor's digest covers its name, type, shape and raw little-endian bytes, and nothing of the file it came in. The
weight id is the Merkle root over the tensors of all files, by name. So the same tensors give the same id in one shard
or in many, in whatever order, and one changed value gives another id and is found by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from blake3 import blake3

from portal import signing
from releases.inspection.asking import Tensors

ALGORITHM: Final = "weighbridge.tensors/1"
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """One tensor of a file: its name, type in safetensors' words, shape, and the bytes [start, end) that it takes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Digests:
    """What one pass over a file gives; `tensors` pairs each place with its digest, in the order of the file."""

    sha256: str
    blake3: str
    tensors: tuple[tuple[Place, str], ...]


def take(source: BinaryIO, places: Iterable[Place] = (), told: Callable[[int], None] | None = None) -> Digests:
    """Read all of a seekable source once; `places` lie one behind the other. `told` hears how many bytes were read."""
    source.seek(0)
    whole, fast, at = hashlib.sha256(), blake3(), 0
    found = []

    def read(length: int | None) -> Iterator[bytes]:
        for piece in _pieces(source, length):
            whole.update(piece)
            fast.update(piece)
            if told:
                told(source.tell())
            yield piece

    for place in places:
        for _ in read(place.start - at):
            pass
        own = hashlib.sha256(head(place))
        for piece in read(place.end - place.start):
            own.update(piece)
        at = place.end
        found.append((place, own.hexdigest()))
    for _ in read(None):
        pass
    return Digests(whole.hexdigest(), fast.hexdigest(), tuple(found))


def layout(path: str, tensors: Tensors | None) -> list[Place]:
    """The tensors of a safetensors file, as its inspection found them, in its order; none of any other file."""
    items = tensors.items if tensors and path.lower().endswith(".safetensors") else ()
    return [Place(item.name, item.dtype, item.shape, item.start, item.end) for item in items]


def head(place: Place) -> bytes:
    """What is hashed before the tensor's own bytes: `["name","F32",[2,3]]` and a line feed."""
    told = [place.name, place.dtype, list(place.shape)]
    return signing.canonical(told) + b"\n"


def damaged(source: BinaryIO, kept: Sequence[tuple[Place, str]]) -> list[str]:
    """Names of the tensors that are no longer what was kept, by the places that were kept: the header may be damaged."""
    now = take(source, [place for place, _ in kept]).tensors
    return [place.name for (place, before), (_, after) in zip(kept, now, strict=True) if before != after]


def _pieces(source: BinaryIO, length: int | None) -> Iterator[bytes]:
    """The next `length` bytes, or all that is left; fewer where the source ends before."""
    left = length
    while piece := source.read(_PIECE if left is None else min(_PIECE, left)):
        yield piece
        if left is not None:
            left -= len(piece)
