"""What both stores say about an object that is on its way."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from portal.errors import Unavailable

log = logging.getLogger("weighbridge.store")
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class Mismatch(Exception):
    """The bytes that came are not those that were announced."""


class Away(Unavailable, OSError):
    """The store does not answer, refuses, or has no room. Who reads files knows it as an OSError, a client as a 503."""

    code = "store_away"

    def __init__(self, fault: Exception) -> None:
        super().__init__("The store did not answer as it should. Try again in a minute.", retry_after_s=60)
        log.warning("The store does not do its work: %s", fault)


@contextmanager
def room() -> Iterator[None]:
    """Around writing to a disk. Raises Away where it is full, or takes nothing."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _NO_ROOM:
            raise Away(fault) from fault
        raise


@dataclass(frozen=True, slots=True)
class Slots:
    """Where the parts of an upload go, in order, and the store's own name for the upload, if it has one."""

    links: Sequence[str]
    reference: str = ""


def spans(size: int, part_bytes: int) -> list[tuple[int, int]]:
    """(offset, bytes) of each part of an object of `size` > 0 bytes."""
    return [(start, min(part_bytes, size - start)) for start in range(0, size, part_bytes)]
