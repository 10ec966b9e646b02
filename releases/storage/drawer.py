"""The store's drawer: private files under names of their own, apart from what is released.

What lies here was written by people for themselves. It is never linked, never shared between two names, and gone
when it is deleted; objects named by their digest are the opposite of all three.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from django.conf import settings

from releases.storage.service import asked, connect
from releases.storage.staging import room

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_PIECE: Final = 1 << 20


class Drawer(Protocol):
    """Private files, each under 32 hexadecimal digits. Everything raises Away where their place is away or full."""

    def put(self, name: str, source: BinaryIO) -> int:
        """Take all of a seekable source; its bytes. Replaces what lay there; nothing is visible until it is whole."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file, for reading from its beginning. Raises FileNotFoundError."""

    def delete(self, name: str) -> None:
        """Remove the file; nothing happens when it is not there."""


class LocalDrawer:
    """A folder, readable by the portal alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @room()
    def put(self, name: str, source: BinaryIO) -> int:
        """Copy beside it, fsync, rename."""
        target = self._place(name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        source.seek(0)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as copy:
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


@cache
def drawer() -> Drawer:
    """The drawer of the store that the settings name."""
    if settings.STORE == "s3":
        client = connect(
            settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY, endpoint=settings.S3_ENDPOINT, region=settings.S3_REGION,
            addressing=settings.S3_ADDRESSING_STYLE,
        )  # fmt: skip
        return S3Drawer(client, settings.S3_BUCKET)
    return LocalDrawer(Path(settings.STORE_PATH) / "private")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("A name in the drawer is 32 hexadecimal digits.")
    return name


def _key(name: str) -> str:
    return f"private/{_checked(name)}"
