"""Tensors of a safetensors file, and the digests by which a release knows each of them.

A tensor's digest is SHA-256 over `["name","F32",[2,3]]` as canonical JSON, a line feed, and its raw bytes. The root is
the Merkle tree hash of RFC 6962 over these digests, sorted by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LARGEST_HEADER = 100_000_000
"""Bytes; the format's own bound."""
_PIECE = 1 << 20


class Place(NamedTuple):
    """One tensor of a file, and the bytes [start, end) that it takes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def canonical(value: object) -> bytes:
    """Sorted names, no spaces, UTF-8: the form of which digests are taken."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def layout(path: Path) -> list[Place]:
    """The tensors of a file, in its order. Raises ValueError where its header cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("the length of the header is wrong")
        header = json.loads(file.read(length))
    try:
        header.pop("__metadata__", None)
        places = [_place(name, told, 8 + length) for name, told in header.items()]
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError("the header is damaged") from fault
    return sorted(places, key=lambda place: place.start)


def _place(name: str, told: dict[str, Any], first: int) -> Place:
    start, end = told["data_offsets"]
    return Place(name, str(told["dtype"]), tuple(int(n) for n in told["shape"]), first + int(start), first + int(end))


def digests(path: Path) -> Iterator[tuple[Place, str]]:
    """Each tensor of a file with its digest; what lies past the file's end counts as missing. Raises ValueError."""
    places = layout(path)
    with path.open("rb") as file:
        for place in places:
            own = hashlib.sha256(canonical([place.name, place.dtype, list(place.shape)]) + b"\n")
            file.seek(place.start)
            left = place.end - place.start
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                own.update(piece)
                left -= len(piece)
            yield place, own.hexdigest()


def root(leaves: Iterable[bytes]) -> str:
    """The Merkle tree hash of RFC 6962 over the leaves (32 bytes each), hex; memory grows with the tree's height alone."""
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, node = 0, hashlib.sha256(b"\0" + leaf).digest()
        while peaks and peaks[-1][0] == height:
            node, height = hashlib.sha256(b"\1" + peaks.pop()[1] + node).digest(), height + 1
        peaks.append((height, node))
    if not peaks:
        return hashlib.sha256(b"").hexdigest()
    node = peaks.pop()[1]
    while peaks:
        node = hashlib.sha256(b"\1" + peaks.pop()[1] + node).digest()
    return node.hex()
