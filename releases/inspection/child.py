"""The child: `python -I -S child.py ROOT PACKAGES JOB SIZE`, which asks for pieces of the file and answers once.

On stdout go frames: `R` offset length (read this much from there; the bytes come on stdin, after their own length), and
last `A` length answer. So it reads any file in any order, wherever the store is, without a right to open anything.
"""

from __future__ import annotations

import importlib
import io
import json
import resource
import struct
import sys
from typing import Any, BinaryIO, Final

ASK: Final = struct.Struct("<cQI")
LENGTH: Final = struct.Struct("<I")
_BLOCK: Final = 256 << 10
_JOBS: Final = {
    "safetensors": "releases.inspection.safetensors",
    "gguf": "releases.inspection.gguf",
    "json": "releases.inspection.texts",
    "yaml": "releases.inspection.texts",
    "text": "releases.inspection.pickles",
    "pickles": "releases.inspection.autopsy",
}


class Window(io.RawIOBase):
    """The file as the parent hands it out, piece by piece."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there; nothing is read."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, into: Any) -> int:  # noqa: ANN401 any writable buffer
        """Ask for one piece."""
        wanted = min(len(into), max(0, self._size - self._at), _BLOCK)
        if not wanted:
            return 0
        sys.stdout.buffer.write(ASK.pack(b"R", self._at, wanted))
        sys.stdout.buffer.flush()
        (length,) = LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))
        piece = sys.stdin.buffer.read(length)
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _cap(memory: int, seconds: int) -> None:
    """From here on: no more memory or time than this, nothing written to a file, nothing opened."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main(root: str, packages: str, job: str, size: int) -> dict[str, Any]:
    """Do the job on the file behind the pipe: {"found": …} or {"refused": a sentence as it is kept}."""
    sys.path[:0] = [root]
    sys.path.append(packages)
    work = importlib.import_module(_JOBS[job])
    inspection = importlib.import_module("releases.inspection")
    _cap(inspection.MEMORY_MAX, inspection.SECONDS_MAX)
    source: BinaryIO = io.BufferedReader(Window(size), _BLOCK)
    try:
        return {"found": work.read(source, size, job)}
    except inspection.Refused as fault:
        return {"refused": fault.part.kept()}


if __name__ == "__main__":
    _root, _packages, _job, _size = sys.argv[1:]
    answer = json.dumps(main(_root, _packages, _job, int(_size)), separators=(",", ":")).encode()
    sys.stdout.buffer.write(ASK.pack(b"A", 0, len(answer)) + answer)
    sys.stdout.buffer.flush()
