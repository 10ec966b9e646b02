"""A prefix of a bucket: `s3://bucket/prefix`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from portal.errors import Invalid
from releases.sources.files import Found, streamed
from releases.storage.prefix import Object, Prefix


class Bucket:
    """The objects under a prefix, as files below it. What ends with a slash only marks a folder, and is none."""

    def __init__(self, address: str) -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not bucket:
            raise Invalid("Name the bucket, as in s3://bucket/prefix.")
        self.name = address
        self._root = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._prefix = Prefix(bucket, self._root)

    def files(self) -> Sequence[Found]:
        """Every object under the prefix. Raises Invalid where there is none, or the service refuses."""
        try:
            held = [entry for entry in self._prefix.objects() if not entry.key.endswith("/")]
        except OSError as fault:
            raise Invalid(f"{fault} Check INGEST_S3_ENDPOINT and its keys.") from fault
        if not held:
            raise Invalid(f"There is nothing at {self.name}.")
        return [Found(entry.key.removeprefix(self._root), entry.size, entry.etag) for entry in held]

    def open(self, file: Found) -> AbstractContextManager[BinaryIO]:
        """The object, in one stream."""
        held = Object(self._root + file.path, file.size, file.mark)
        return streamed(file.size, lambda offset: self._prefix.open(held, offset))
