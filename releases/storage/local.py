"""Objects in a folder: `blobs/ab/cd/<sha256>`, written beside and renamed, served by releases.blobs under signed links."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, Final

from releases.permits import MAX_TTL_S, PartPermit, Permit, place, staged
from releases.storage.staging import Mismatch, Slots, room, spans

_PIECE: Final = 1 << 20


class LocalStore:
    """A content-addressed folder. `key` signs its links and is shared with the blob server."""

    def __init__(self, root: Path, *, key: bytes) -> None:
        self._root = root
        self._key = key

    @room()
    def put(self, source: BinaryIO, *, moved: Callable[[int], None] | None = None) -> tuple[str, int]:
        """Copy and hash in one pass, fsync, then rename to the name: a killed copy leaves only a file in `staging/`."""
        staging = self._root / "staging"
        staging.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=staging, delete=False) as copy:
            try:
                sha256, size = _copy(source, copy, moved)
                copy.flush()
                os.fsync(copy.fileno())
                self._keep(Path(copy.name), sha256, size)
            finally:
                Path(copy.name).unlink(missing_ok=True)
        return sha256, size

    def size(self, sha256: str) -> int | None:
        """Bytes held, or None."""
        try:
            return place(self._root, sha256).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, sha256: str) -> AbstractContextManager[BinaryIO]:
        """The object, for reading."""
        return place(self._root, sha256).open("rb")

    def link(self, sha256: str, *, name: str, content_type: str, ttl_s: int = MAX_TTL_S, span: str = "") -> str:
        """A signed GET, relative to our origin."""
        expires = int(time.time()) + min(ttl_s, MAX_TTL_S)
        return Permit(sha256, "GET", expires, name, content_type, span).url(self._key)

    def delete(self, sha256: str) -> None:
        """Remove the object's file."""
        place(self._root, sha256).unlink(missing_ok=True)

    @room()
    def begin(self, key: str, size: int, *, part_bytes: int, ttl_s: int) -> Slots:
        """An empty file of the full length, without blocks, and a signed PUT for each part of it."""
        target = staged(self._root, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.truncate(size)
        expires = int(time.time()) + ttl_s
        parts = enumerate(spans(size, part_bytes), start=1)
        return Slots([PartPermit(key, n, start, length, expires).url(self._key) for n, (start, length) in parts])

    def finish(self, key: str, reference: str, etags: Sequence[str], *, sha256: str, size: int) -> None:
        """Read the file once, then rename it to its digest, while no part can be written any more."""
        if self.size(sha256) == size and not staged(self._root, key).exists():
            return
        with staged(self._root, key).open("rb") as file:
            _alone(file)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != sha256 or os.fstat(file.fileno()).st_size != size:
                raise Mismatch(f"its SHA-256 is {digest[:12]}…, not {sha256[:12]}…")
            os.fsync(file.fileno())
            self._keep(staged(self._root, key), sha256, size)
            staged(self._root, key).unlink(missing_ok=True)

    def abandon(self, key: str, reference: str) -> None:
        """Remove the file in staging."""
        staged(self._root, key).unlink(missing_ok=True)

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Every object's file."""
        for path in (self._root / "blobs").glob("??/??/*"):
            if path == place(self._root, path.name):
                found = path.lstat()
                yield path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)

    def sweep(self, before: datetime, *, dry_run: bool) -> tuple[int, int]:
        """Files of killed copies and forgotten uploads; bytes as they are on the disk."""
        old = []
        for path in (self._root / "staging").rglob("*"):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_mtime < before.timestamp():
                old.append((path, found.st_blocks * 512))
        for path, _ in [] if dry_run else old:
            path.unlink(missing_ok=True)
        return len(old), sum(size for _, size in old)

    def _keep(self, copy: Path, sha256: str, size: int) -> None:
        target = place(self._root, sha256)
        if self.size(sha256) == size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        copy.chmod(0o440)
        copy.rename(target)
        _sync(target.parent)


def _alone(file: BinaryIO) -> None:
    """Shut out writers (releases.parts), for as long as the file is open: what was read must be what is kept."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        raise FileNotFoundError("a part is still arriving") from busy


def _copy(source: BinaryIO, target: IO[bytes], moved: Callable[[int], None] | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    source.seek(0)
    while piece := source.read(_PIECE):
        digest.update(piece)
        target.write(piece)
        size += len(piece)
        if moved:
            moved(len(piece))
    return digest.hexdigest(), size


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
