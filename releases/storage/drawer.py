"""The store's drawer: private files under names of their own, apart from what is released.

What lies here was written by people for themselves. It is never linked, never shared between two names, and gone
when it is deleted; objects named by their digest are the opposite of all three.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from django.conf import settings

from releases.storage.service import asked, connect
from releases.storage.staging import room

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_PREFIX: Final = "private/"
_PIECE: Final = 1 << 20
_PAGE: Final = 1000

Keeper = Callable[[Sequence[str]], Iterable[str]]
_keepers: dict[str, Keeper] = {}


class Drawer(Protocol):
    """Private files, each under 32 hexadecimal digits. Everything raises Away where their place is away or full."""

    def put(self, name: str, source: BinaryIO) -> int:
        """Take all of a seekable source; its bytes. Replaces what lay there; nothing is visible until it is whole."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file, for reading from its beginning. Raises FileNotFoundError."""

    def delete(self, name: str) -> None:
        """Remove the file; nothing happens when it is not there."""

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Name, bytes and time of writing of every file."""


class LocalDrawer:
    """`private/ab/<name>` in the store's folder, readable by the portal alone."""

    def __init__(self, store: Path) -> None:
        self._root, self._staging = store / "private", store / "staging"

    @room()
    def put(self, name: str, source: BinaryIO) -> int:
        """Copy, fsync, rename: a killed copy leaves only a file in `staging/`, which the store sweeps."""
        target = self._place(name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._staging.mkdir(parents=True, exist_ok=True)
        source.seek(0)
        with tempfile.NamedTemporaryFile(dir=self._staging, delete=False) as copy:
            try:
                while piece := source.read(_PIECE):
                    copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
                Path(copy.name).rename(target)
            finally:
                Path(copy.name).unlink(missing_ok=True)
        return target.stat().st_size

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file."""
        return self._place(name).open("rb")

    def delete(self, name: str) -> None:
        """Remove it."""
        self._place(name).unlink(missing_ok=True)

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Every file."""
        for path in self._root.glob("??/*"):
            if _NAME.fullmatch(path.name):
                found = path.lstat()
                yield path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)

    def _place(self, name: str) -> Path:
        return self._root / _checked(name)[:2] / name


class S3Drawer:
    """`private/<name>` of the bucket, through the mover."""

    def __init__(self, client: Any, bucket: str) -> None:  # noqa: ANN401 boto3 makes its clients at run time
        self._client, self._bucket = client, bucket

    def put(self, name: str, source: BinaryIO) -> int:
        """Upload it whole."""
        source.seek(0, os.SEEK_END)
        size = source.tell()
        source.seek(0)
        with asked(name):
            self._client.upload_fileobj(source, self._bucket, _key(name))
        return size

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A copy of the object, that goes when it is closed."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115 the caller closes it
        try:
            with asked(name):
                self._client.download_fileobj(self._bucket, _key(name), copy)
        except OSError:
            copy.close()
            raise
        copy.seek(0)
        return cast("AbstractContextManager[BinaryIO]", copy)

    def delete(self, name: str) -> None:
        """Remove the object."""
        with asked(name):
            self._client.delete_object(Bucket=self._bucket, Key=_key(name))

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Every object under `private/`."""
        with asked(_PREFIX):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_PREFIX):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(_PREFIX), int(found["Size"]), found["LastModified"]


@cache
def drawer() -> Drawer:
    """The drawer of the store that the settings name."""
    if settings.STORE == "s3":
        client = connect(
            settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY, endpoint=settings.S3_ENDPOINT, region=settings.S3_REGION,
            addressing=settings.S3_ADDRESSING_STYLE,
        )  # fmt: skip
        return S3Drawer(client, settings.S3_BUCKET)
    return LocalDrawer(Path(settings.STORE_PATH))


def keeper(function: Keeper) -> Keeper:
    """Register a function, from AppConfig.ready, that says which of these names in the drawer are still wanted."""
    _keepers[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def strays(before: datetime) -> Iterator[tuple[str, int]]:
    """Name and bytes of each file that was written before then and that no keeper wants.

    A file is put before the row that names it, so `before` must lie further back than any putting takes: a process killed
    between the two leaves what nobody would ever delete.
    """
    old = ((name, size) for name, size, came in drawer().held() if came < before and _NAME.fullmatch(name))
    while page := list(islice(old, _PAGE)):
        names = [name for name, _size in page]
        wanted = {name for keep in _keepers.values() for name in keep(names)}
        yield from ((name, size) for name, size in page if name not in wanted)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("A name in the drawer is 32 hexadecimal digits.")
    return name


def _key(name: str) -> str:
    return f"{_PREFIX}{_checked(name)}"
