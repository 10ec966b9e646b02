"""A packfile, as `git index-pack` reads it: every object whole, none as a difference (gitformat-pack, version 2)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO, Final

_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3}

_LEVEL: Final = 1
"""Of compression: a clone is made while its client waits, and all that is large in a release lies outside."""


def write(target: BinaryIO, count: int, objects: Iterable[tuple[str, bytes]]) -> None:
    """Write `count` objects, each its kind (commit, tree, blob) and its content."""
    digest = hashlib.sha1(usedforsecurity=False)

    def put(data: bytes) -> None:
        digest.update(data)
        target.write(data)

    put(b"PACK" + struct.pack(">II", 2, count))
    for kind, content in objects:
        put(_head(_KINDS[kind], len(content)) + zlib.compress(content, _LEVEL))
    target.write(digest.digest())


def _head(kind: int, size: int) -> bytes:
    """Three bits of kind and the size, the lowest bits first: four in the first byte, seven in each that follows."""
    byte, size = kind << 4 | size & 0x0F, size >> 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head)
