"""What lies under a prefix of somebody's bucket, read and never written: where releases may be taken in from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from django.conf import settings

from releases.storage import service


@dataclass(frozen=True, slots=True)
class Object:
    """One object: its key, its bytes, and the tag that changes with them."""

    key: str
    size: int
    etag: str


class Prefix:
    """The objects of a bucket whose keys begin with `prefix`, through the identity that INGEST_S3_* names."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._client = service.connect(
            settings.INGEST_S3_ACCESS_KEY, settings.INGEST_S3_SECRET_KEY, endpoint=settings.INGEST_S3_ENDPOINT,
            region=settings.INGEST_S3_REGION, addressing=settings.INGEST_S3_ADDRESSING_STYLE,
        )  # fmt: skip

    def objects(self) -> Iterator[Object]:
        """Every object under the prefix. Raises OSError when the service refuses or does not answer."""
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                for entry in page.get("Contents", ()):
                    yield Object(entry["Key"], entry["Size"], entry["ETag"])
        except service.FAULTS as fault:
            raise OSError(f"The bucket {self._bucket!r} cannot be listed: {fault}") from fault

    def open(self, held: Object, offset: int) -> BinaryIO:
        """The object's bytes from `offset` on, as long as it is unchanged. Raises OSError."""
        what = {"Bucket": self._bucket, "Key": held.key, "IfMatch": held.etag}
        try:
            return cast("BinaryIO", self._client.get_object(**what, Range=f"bytes={offset}-")["Body"])
        except service.FAULTS as fault:
            raise OSError(f"{held.key} cannot be read: {fault}") from fault
