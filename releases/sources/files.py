"""What every source says of its files, and how a file that comes over a network is read."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, BinaryIO, Final, Protocol, cast

TRIES: Final = 5
"""How often in a row a file is opened anew where it broke off, without a byte more."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a source: its path in the release, its bytes, and what tells whether it changed since.

    `sha256` and `sha1` (git's blob id) are what the source says of it; empty where it says nothing.
    """

    path: str
    size: int
    mark: str
    sha256: str = ""
    sha1: str = ""


class Source(Protocol):
    """Files for one revision."""

    @property
    def name(self) -> str:
        """The same for the same place, in every run."""

    def files(self) -> Sequence[Found]:
        """Every file, in no order. Raises Invalid where there is none, or one that no release can carry."""

    def open(self, file: Found) -> AbstractContextManager[BinaryIO]:
        """The file's bytes, seekable. Raises OSError, also while it is read, when it is gone or has changed."""


def streamed(size: int, begin: Callable[[int], BinaryIO]) -> AbstractContextManager[BinaryIO]:
    """A remote file of `size` bytes, read in one stream as long as its reader goes straight on; `begin(offset)` opens one."""
    return cast("AbstractContextManager[BinaryIO]", io.BufferedReader(_Streamed(size, begin), buffer_size=1 << 20))


class _Streamed(io.RawIOBase):
    """Opens where it is read, and again where a stream broke off."""

    def __init__(self, size: int, begin: Callable[[int], BinaryIO]) -> None:
        self._size, self._begin, self._at = size, begin, 0
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if place != self._at:
            self._drop()
        self._at = place
        return place

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 any writable buffer
        if self._at >= self._size:
            return 0
        piece = self._piece(min(len(buffer), self._size - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._drop()
        super().close()

    def _piece(self, size: int) -> bytes:
        fault: Exception = EOFError("it ends too early")
        for _ in range(TRIES):
            try:
                self._stream = self._stream or self._begin(self._at)
                if piece := self._stream.read(size):
                    return piece
            except (OSError, HTTPException) as broken:
                fault = broken
            self._drop()
        raise OSError(f"It broke off at byte {self._at:,} and could not be taken up again: {fault}") from fault

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
