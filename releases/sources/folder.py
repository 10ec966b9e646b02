"""A folder of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from portal.errors import Invalid
from releases.sources.files import Found

_SKIPPED: Final = frozenset({".cache"})
"""Folders that the Hugging Face client leaves in a download; never part of a release."""


class Folder:
    """All regular files below a directory; links and devices are refused."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def name(self) -> str:
        """Its place on this machine."""
        return str(self._root.resolve())

    def files(self) -> Sequence[Found]:
        """Every file. Raises Invalid for links and devices."""
        if not self._root.is_dir():
            raise Invalid(f"There is no folder {self._root}.")
        return list(_walk(self._root, ""))

    def open(self, file: Found) -> BinaryIO:
        """The file itself, refusing a link that took its place meanwhile."""
        return os.fdopen(os.open(self._root / file.path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _walk(root: Path, folder: str) -> Iterator[Found]:
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if entry.name not in _SKIPPED:
                    yield from _walk(root, path)
            elif stat.S_ISREG(status.st_mode):
                yield Found(path, status.st_size, f"{status.st_mtime_ns} {status.st_ino}")
            else:
                raise Invalid(f"{path} is a link or a device, not a file. Put the file itself in its place.")
