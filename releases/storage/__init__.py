"""Where the bytes are. One protocol, two stores: a folder that we serve ourselves, and any S3 API.

Objects are named by their SHA-256 and never change. File names never touch a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from releases.permits import MAX_TTL_S
from releases.storage.local import LocalStore
from releases.storage.s3 import S3Store
from releases.storage.staging import Away, Mismatch, Slots

__all__ = ["MAX_TTL_S", "Away", "BlobStore", "Mismatch", "Slots", "store"]


class BlobStore(Protocol):
    """A place for immutable objects named by their SHA-256. Everything raises Away where the place itself is away or full."""

    def put(self, source: BinaryIO, *, moved: Callable[[int], None] | None = None) -> tuple[str, int]:
        """Take all of a seekable source; (sha256, bytes). Safe to repeat; nothing is visible until it is whole.

        `moved` is told the number of bytes of each piece. Raises OSError when the source changes while being read.
        """

    def size(self, sha256: str) -> int | None:
        """Bytes held under this name, or None when there is no such object."""

    def open(self, sha256: str) -> AbstractContextManager[BinaryIO]:
        """The object as a seekable binary file. Raises FileNotFoundError."""

    def link(self, sha256: str, *, name: str, content_type: str, ttl_s: int = MAX_TTL_S, span: str = "") -> str:
        """A URL that gets this object, as a download called `name`, for `ttl_s` ≤ 120 seconds.

        With `span` it is good together with that one Range header alone. Absolute, or relative to our own origin. Only releases.downloads may call this.
        """

    def delete(self, sha256: str) -> None:
        """Remove the object; nothing happens when it is not there."""

    def begin(self, key: str, size: int, *, part_bytes: int, ttl_s: int) -> Slots:
        """Links to PUT an object of `size` bytes into the staging area, part by part, for `ttl_s` seconds.

        Absolute, or relative to our own origin. What lies in staging is no object yet and cannot be read.
        """

    def finish(self, key: str, reference: str, etags: Sequence[str], *, sha256: str, size: int) -> None:
        """Join the parts, read them, and keep them under their digest. Safe to repeat until it is abandoned.

        Raises FileNotFoundError when parts are missing, whoever else sent such an object; Mismatch when they are
        something else.
        """

    def abandon(self, key: str, reference: str) -> None:
        """Forget an upload, finished or not; nothing happens when there is none."""

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """(sha256, bytes, when it came) of every object, in no order that matters."""

    def sweep(self, before: datetime, *, dry_run: bool) -> tuple[int, int]:
        """Remove what lies in staging untouched since `before`; (how many, their bytes). `dry_run`: only count it."""


@cache
def store() -> BlobStore:
    """The store that the settings name."""
    if settings.STORE == "s3":
        return S3Store(
            bucket=settings.S3_BUCKET,
            endpoint=settings.S3_ENDPOINT,
            region=settings.S3_REGION,
            access_key=settings.S3_ACCESS_KEY,
            secret_key=settings.S3_SECRET_KEY,
            addressing=settings.S3_ADDRESSING_STYLE,
            upload_access_key=settings.S3_UPLOAD_ACCESS_KEY,
            upload_secret_key=settings.S3_UPLOAD_SECRET_KEY,
            read_access_key=settings.S3_READ_ACCESS_KEY,
            read_secret_key=settings.S3_READ_SECRET_KEY,
        )
    return LocalStore(Path(settings.STORE_PATH), key=settings.BLOB_SIGNING_KEY.encode())
