"""Git's packet lines: four hex digits of length, then as many bytes with them (gitprotocol-common)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.errors import Invalid

FLUSH: Final = b"0000"
"""Ends a part of a message."""
_HEAD: Final = 4
_LONGEST: Final = 65_516
"""Bytes of text that fit into one packet."""


def packet(text: str) -> bytes:
    """One line, with its end."""
    line = text.encode()[: _LONGEST - 1] + b"\n"
    return b"%04x" % (len(line) + _HEAD) + line


def read(data: bytes) -> Iterator[str]:
    """The lines of a message without their ends; an empty one stands for a flush. Raises Invalid."""
    at = 0
    while at < len(data):
        head = data[at : at + _HEAD]
        try:
            size = int(head, 16)
        except ValueError as fault:
            raise Invalid("This is no message of git's protocol.") from fault
        if size == 0:
            yield ""
            at += _HEAD
            continue
        if size < _HEAD or at + size > len(data):
            raise Invalid("A packet of git's protocol is cut short.")
        yield data[at + _HEAD : at + size].decode("utf-8", "replace").rstrip("\n")
        at += size
