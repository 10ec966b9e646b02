"""Objects in a bucket, through any S3 API: `blobs/<sha256>`, links presigned with SigV4."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, BinaryIO, Final, cast

from boto3.s3.transfer import TransferConfig

from releases.permits import MAX_TTL_S, disposition
from releases.storage.ranged import Ranged
from releases.storage.service import FAULTS, MISSING, asked, code_of, connect
from releases.storage.staging import Away, Mismatch, Slots, spans

_PIECE: Final = 1 << 20
_PART: Final = 64 << 20
PREFIXES: Final = ("blobs/", "staging/", "private/")
"""Where the portal's objects lie: released, on their way, and the drawer's."""
_INCOMPLETE: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})


class S3Store:
    """A bucket that the portal alone may read, by up to three identities.

    The mover (`access_key`) gets, puts and deletes under `blobs/` and `staging/`. Links are signed by identities that can
    do less, so that a link can do no more than they can: the reader gets under `blobs/`, the writer puts under `staging/`.
    Where they are not given, the mover signs.
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        addressing: str = "path",
        upload_access_key: str = "",
        upload_secret_key: str = "",
        read_access_key: str = "",
        read_secret_key: str = "",
    ) -> None:
        self._bucket = bucket
        place = {"endpoint": endpoint, "region": region, "addressing": addressing}
        self._client = connect(access_key, secret_key, **place)
        writer, reader = (upload_access_key, upload_secret_key), (read_access_key, read_secret_key)
        self._writer = connect(*writer, **place) if all(writer) else self._client
        self._reader = connect(*reader, **place) if all(reader) else self._client

    def put(self, source: BinaryIO, *, moved: Callable[[int], None] | None = None) -> tuple[str, int]:
        """Hash first, so that an object already held is not sent again; hash again while sending, and compare."""
        sha256, size = _digest(source)
        if self.size(sha256) == size:
            return sha256, size
        sent = _Witness(source, moved)
        transfer = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False)
        with asked(sha256):
            self._client.upload_fileobj(sent, self._bucket, _key(sha256), Config=transfer)
        if sent.digest.hexdigest() != sha256:
            self.delete(sha256)
            raise OSError("The file changed while it was being stored. Publish it again when it rests.")
        return sha256, size

    def size(self, sha256: str) -> int | None:
        """Bytes held, or None."""
        head = self._head(_key(sha256))
        return int(head["ContentLength"]) if head else None

    def open(self, sha256: str) -> AbstractContextManager[BinaryIO]:
        """The object as a file that fetches ranges as it is read."""
        size = self.size(sha256)
        if size is None:
            raise FileNotFoundError(sha256)
        reader = io.BufferedReader(Ranged(self._client, self._bucket, _key(sha256), size), buffer_size=_PIECE)
        return cast("AbstractContextManager[BinaryIO]", reader)

    def link(self, sha256: str, *, name: str, content_type: str, ttl_s: int = MAX_TTL_S, span: str = "") -> str:
        """A presigned GET of this one key; the name and type to answer with, and the range, are under the signature."""
        wanted = {
            "Bucket": self._bucket,
            "Key": _key(sha256),
            "ResponseContentDisposition": disposition(name),
            "ResponseContentType": content_type,
            **({"Range": span} if span else {}),
        }
        url = self._reader.generate_presigned_url(
            "get_object", Params=wanted, ExpiresIn=min(ttl_s, MAX_TTL_S), HttpMethod="GET"
        )
        return str(url)

    def delete(self, sha256: str) -> None:
        """Remove the object; S3 does not mind when there is none."""
        with asked(sha256):
            self._client.delete_object(Bucket=self._bucket, Key=_key(sha256))

    def begin(self, key: str, size: int, *, part_bytes: int, ttl_s: int) -> Slots:
        """Presigned PUTs into `staging/`: one for a small object, a multipart upload's parts for any other."""
        target = {"Bucket": self._bucket, "Key": _staged(key)}
        parts = len(spans(size, part_bytes))
        if parts == 1:
            return Slots([self._signed("put_object", target, ttl_s)])
        with asked(key):
            reference = str(self._client.create_multipart_upload(**target)["UploadId"])
        each = ({**target, "UploadId": reference, "PartNumber": n} for n in range(1, parts + 1))
        return Slots([self._signed("upload_part", one, ttl_s) for one in each], reference)

    def finish(self, key: str, reference: str, etags: Sequence[str], *, sha256: str, size: int) -> None:
        """Complete the multipart upload, read the object once, copy it to its digest inside the store.

        What came stays in staging, as the proof that it came: an object that somebody else sent proves nothing.
        """
        target = {"Bucket": self._bucket, "Key": _staged(key)}
        if reference and etags:
            parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, start=1)]
            self._complete(target, reference, parts)
        head = self._head(_staged(key))
        if head is None:
            raise FileNotFoundError(key)
        # The link of a single PUT still lives: what is read, and what is copied, must be the same writing of it.
        etag, held = str(head["ETag"]), int(head["ContentLength"])
        staged = Ranged(self._client, self._bucket, _staged(key), held, etag=etag)
        with io.BufferedReader(staged, buffer_size=_PIECE) as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        if digest != sha256 or held != size:
            raise Mismatch(f"its SHA-256 is {digest[:12]}…, not {sha256[:12]}…")
        transfer = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART)
        with asked(key):  # missing, where a call beside this one has finished it
            self._client.copy(
                target, self._bucket, _key(sha256), ExtraArgs={"CopySourceIfMatch": etag}, Config=transfer
            )

    def abandon(self, key: str, reference: str) -> None:
        """Abort the multipart upload, delete what came."""
        if reference:
            self._abort(_staged(key), reference)
        with asked(key):
            self._client.delete_object(Bucket=self._bucket, Key=_staged(key))

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Every object under `blobs/`."""
        with asked(_key("")):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_key("")):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(_key("")), int(found["Size"]), found["LastModified"]

    def sweep(self, before: datetime, *, dry_run: bool) -> tuple[int, int]:
        """Objects in staging, and multipart uploads to anywhere that were not ended; the bytes of their parts are not known.

        A copy or a sending of ours that was killed leaves parts that no listing of objects shows, and that cost as any.
        """
        with asked(_staged("")):
            listed = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_staged(""))
            old = [o for page in listed for o in page.get("Contents", ()) if o["LastModified"] < before]
            open_since = [u for prefix in PREFIXES for u in self._begun(prefix) if u["Initiated"] < before]
        if not dry_run:
            for upload in open_since:
                self._abort(upload["Key"], upload["UploadId"])
            for each in old:
                self.abandon(each["Key"].removeprefix(_staged("")), "")
        return len(old) + len(open_since), sum(int(each["Size"]) for each in old)

    def _begun(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Uploads", ())

    def _abort(self, key: str, reference: str) -> None:
        with suppress(FileNotFoundError), asked(key):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=reference)

    def _complete(self, target: dict[str, str], reference: str, parts: list[dict[str, Any]]) -> None:
        try:
            self._client.complete_multipart_upload(**target, UploadId=reference, MultipartUpload={"Parts": parts})
        except FAULTS as fault:
            if code_of(fault) in _INCOMPLETE:
                raise FileNotFoundError(target["Key"]) from fault
            if code_of(fault) not in MISSING:  # it was completed before
                raise Away(fault) from fault

    def _signed(self, method: str, what: dict[str, Any], ttl_s: int) -> str:
        return str(self._writer.generate_presigned_url(method, Params=what, ExpiresIn=ttl_s))

    def _head(self, key: str) -> dict[str, Any] | None:
        head: dict[str, Any] | None = None
        with suppress(FileNotFoundError), asked(key):
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        return head


class _Witness:
    """A source that hashes what is read from it, in the order of a single-threaded upload."""

    def __init__(self, source: BinaryIO, moved: Callable[[int], None] | None) -> None:
        self._source, self._moved = source, moved
        self.digest = hashlib.sha256()
        source.seek(0)

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self.digest.update(piece)
        if self._moved:
            self._moved(len(piece))
        return piece


def _digest(source: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    source.seek(0)
    while piece := source.read(_PIECE):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _key(sha256: str) -> str:
    return f"blobs/{sha256}"


def _staged(key: str) -> str:
    return f"staging/{key}"
