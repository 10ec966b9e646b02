"""A file on its way: its bytes so far, which parts of it are there, and its digest as far as it can be taken."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

from weighbridge_client import home
from weighbridge_client.documents import File

SMALLEST, LARGEST = 8 << 20, 64 << 20
"""Bytes of a part: large enough that a link a part costs nothing, small enough that little is lost by an interruption."""
_PIECE = 1 << 20


class Arriving:
    """One file that arrives in parts, in any order; what has arrived is remembered across runs.

    The digest follows the parts that lie without a gap from the start, so it is ready soon after the last byte.
    """

    def __init__(self, file: File, folder: Path) -> None:
        self.file = file
        self.part_path = folder / f"{file.sha256}.part"
        self._state_path = folder / f"{file.sha256}.json"
        self.size_of_part = min(LARGEST, max(SMALLEST, -(-file.size // 16)))
        self.count = -(-file.size // self.size_of_part)
        self._done: set[int] = set()
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._digest, self._hashed = hashlib.sha256(), 0
        self.resumed = False
        self._handle = -1

    def open(self) -> None:
        """Make room for it, or find what an earlier run has left."""
        manner = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._handle = os.open(self.part_path, manner, 0o644)
        self._done = self._remembered() if os.fstat(self._handle).st_size == self.file.size else set()
        self.resumed = bool(self._done)
        os.ftruncate(self._handle, self.file.size)

    def close(self) -> None:
        """Let go of it; it can be opened again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def missing(self) -> list[int]:
        """The parts that are yet to come."""
        return [number for number in range(self.count) if number not in self._done]

    def span(self, number: int) -> tuple[int, int]:
        """The bytes [start, end) of a part."""
        start = number * self.size_of_part
        return start, min(self.file.size, start + self.size_of_part)

    def write(self, at: int, piece: bytes) -> None:
        """Put bytes where they belong."""
        view = memoryview(piece)
        while view:
            written = os.pwrite(self._handle, view, at)
            view, at = view[written:], at + written

    def finish(self, number: int) -> bool:
        """A part is whole. True for the one call after which the file is whole, and its digest taken."""
        with self._lock:
            self._done.add(number)
            self._remember()
        with self._hashing:
            return self._follow()

    def digest(self) -> str:
        """SHA-256 of the whole file, hex; call it once every part is there."""
        with self._hashing:
            self._follow()
            return self._digest.hexdigest()

    def forget(self) -> None:
        """Throw all of it away, and begin anew."""
        self.close()
        for path in (self.part_path, self._state_path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        self._done, self.resumed = set(), False
        self._digest, self._hashed = hashlib.sha256(), 0

    def copy_to(self, path: Path) -> None:
        """Let a file of the same content have its name too, once every part is there."""
        copy = self.part_path.with_suffix(".copy")
        shutil.copyfile(self.part_path, copy)
        path.parent.mkdir(parents=True, exist_ok=True)
        copy.replace(path)

    def move_to(self, path: Path) -> None:
        """Give it its name: from now on it is a file of the release."""
        self.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.part_path.replace(path)
        with contextlib.suppress(FileNotFoundError):
            self._state_path.unlink()

    def _follow(self) -> bool:
        """Take the digest on over all that lies without a gap; whether that brought it to the end just now."""
        if self._hashed == self.file.size:
            return self.file.size == 0
        while self._hashed < self.file.size and self._hashed // self.size_of_part in self._done:
            _, end = self.span(self._hashed // self.size_of_part)
            while self._hashed < end:
                piece = os.pread(self._handle, min(_PIECE, end - self._hashed), self._hashed)
                if not piece:
                    return False
                self._digest.update(piece)
                self._hashed += len(piece)
        return self._hashed == self.file.size

    def _remember(self) -> None:
        told = {"size": self.file.size, "part": self.size_of_part, "done": sorted(self._done)}
        home.write(self._state_path, json.dumps(told).encode(), mode=0o644)

    def _remembered(self) -> set[int]:
        try:
            told = json.loads(self._state_path.read_bytes())
            if (told["size"], told["part"]) == (self.file.size, self.size_of_part):
                return {int(number) for number in told["done"] if 0 <= int(number) < self.count}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return set()
