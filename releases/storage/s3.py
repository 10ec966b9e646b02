"""Objects in a bucket, through any S3 API: `blobs/<sha256>`, links presigned with SigV4.

Checksums of the API's own are sent only where a server demands them ("when_required"): servers other than AWS's
refuse or ignore the newer ones. The SHA-256 is ours, computed over what we sent.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO, Final, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from releases.permits import MAX_TTL_S, disposition
from releases.storage.staging import Mismatch, Slots, spans

_PIECE: Final = 1 << 20
_PART: Final = 64 << 20
FAULTS: Final = (BotoCoreError, ClientError)
"""What the client raises when the service refuses, or is not there."""
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_CHANGED: Final = frozenset({"412", "PreconditionFailed"})
_ANEW: Final = "it was sent anew while it was read"


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
        reader = io.BufferedReader(_Ranged(self._client, self._bucket, _key(sha256), size), buffer_size=_PIECE)
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
        self._client.delete_object(Bucket=self._bucket, Key=_key(sha256))

    def begin(self, key: str, size: int, *, part_bytes: int, ttl_s: int) -> Slots:
        """Presigned PUTs into `staging/`: one for a small object, a multipart upload's parts for any other."""
        target = {"Bucket": self._bucket, "Key": _staged(key)}
        parts = len(spans(size, part_bytes))
        if parts == 1:
            return Slots([self._signed("put_object", target, ttl_s)])
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
        staged = _Ranged(self._client, self._bucket, _staged(key), held, etag=etag)
        try:
            with io.BufferedReader(staged, buffer_size=_PIECE) as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
            if digest != sha256 or held != size:
                raise Mismatch(f"its SHA-256 is {digest[:12]}…, not {sha256[:12]}…")
            transfer = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART)
            pinned = {"CopySourceIfMatch": etag}
            self._client.copy(target, self._bucket, _key(sha256), ExtraArgs=pinned, Config=transfer)
        except FAULTS as fault:
            if is_missing(fault):  # a call beside this one has finished it
                raise FileNotFoundError(key) from fault
            if _is_changed(fault):
                raise Mismatch(_ANEW) from fault
            raise _away(fault) from fault

    def abandon(self, key: str, reference: str) -> None:
        """Abort the multipart upload, delete what came."""
        target = {"Bucket": self._bucket, "Key": _staged(key)}
        if reference:
            try:
                self._client.abort_multipart_upload(**target, UploadId=reference)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _MISSING | {"NoSuchUpload"}:
                    raise
        self._client.delete_object(**target)

    def held(self) -> Iterator[tuple[str, int, datetime]]:
        """Every object under `blobs/`."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_key("")):
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(_key("")), int(found["Size"]), found["LastModified"]

    def sweep(self, before: datetime, *, dry_run: bool) -> tuple[int, int]:
        """Objects and unfinished multipart uploads; the bytes of the latter's parts are not known."""
        staging = {"Bucket": self._bucket, "Prefix": _staged("")}
        listed = self._client.get_paginator("list_objects_v2").paginate(**staging)
        old = [o for page in listed for o in page.get("Contents", ()) if o["LastModified"] < before]
        begun = self._client.get_paginator("list_multipart_uploads").paginate(**staging)
        open_since = [u for page in begun for u in page.get("Uploads", ()) if u["Initiated"] < before]
        if not dry_run:
            for upload in open_since:
                self.abandon(upload["Key"].removeprefix(_staged("")), upload["UploadId"])
            for each in old:
                self._client.delete_object(Bucket=self._bucket, Key=each["Key"])
        return len(old) + len(open_since), sum(int(each["Size"]) for each in old)

    def _complete(self, target: dict[str, str], reference: str, parts: list[dict[str, Any]]) -> None:
        try:
            self._client.complete_multipart_upload(**target, UploadId=reference, MultipartUpload={"Parts": parts})
        except FAULTS as fault:
            code = fault.response["Error"]["Code"] if isinstance(fault, ClientError) else ""
            if code in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}:
                raise FileNotFoundError(code) from fault
            if code not in _MISSING | {"NoSuchUpload"}:  # it was completed before
                raise _away(fault) from fault

    def _signed(self, method: str, what: dict[str, Any], ttl_s: int) -> str:
        return str(self._writer.generate_presigned_url(method, Params=what, ExpiresIn=ttl_s))

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._client.head_object(Bucket=self._bucket, Key=key)
        except FAULTS as fault:
            if is_missing(fault):
                return None
            raise _away(fault) from fault
        return head


def is_missing(fault: Exception) -> bool:
    """Whether the service says that there is no such object."""
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] in _MISSING


def _is_changed(fault: Exception) -> bool:
    """Whether the service says that the object is not the one any more whose tag was named."""
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] in _CHANGED


def _away(fault: Exception) -> OSError:
    """What the readers of a store understand, of a service that refuses or does not answer."""
    return OSError(f"The store did not answer as it should: {fault}")


def connect(access_key: str, secret_key: str, *, endpoint: str, region: str, addressing: str) -> Any:  # noqa: ANN401 boto3 makes its clients at run time
    """A client of any S3 API, for one identity."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 4, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
        ),
    )


class _Ranged(io.RawIOBase):
    """An object read where it is needed: a header of a few kilobytes by one range, all of it by one stream.

    A second read that begins where the first one ended opens the stream.
    """

    def __init__(self, client: BaseClient, bucket: str, key: str, size: int, *, etag: str = "") -> None:
        self._client, self._size, self._at = client, size, 0
        self._what = {"Bucket": bucket, "Key": key, **({"IfMatch": etag} if etag else {})}
        self._read_to = -1
        self._stream: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 any writable buffer
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        if self._at == self._read_to:
            piece = self._next(wanted)
        else:
            self._drop()
            piece = self._whole(wanted)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        self._read_to = self._at
        return len(piece)

    def close(self) -> None:
        self._drop()
        super().close()

    def _next(self, wanted: int) -> bytes:
        """From the stream; where it breaks off, by a request of its own, which may be repeated."""
        self._stream = self._stream or self._get(f"{self._at}-")
        try:
            piece = bytes(self._stream.read(wanted))
        except BotoCoreError:
            piece = b""
        if piece:
            return piece
        self._drop()
        return self._whole(wanted)

    def _whole(self, wanted: int) -> bytes:
        try:
            return bytes(self._get(f"{self._at}-{self._at + wanted - 1}").read())
        except BotoCoreError as fault:
            raise _away(fault) from fault

    def _get(self, span: str) -> Any:  # noqa: ANN401 botocore's own stream
        try:
            return self._client.get_object(**self._what, Range=f"bytes={span}")["Body"]
        except FAULTS as fault:
            if is_missing(fault):
                raise FileNotFoundError(self._what["Key"]) from fault
            if _is_changed(fault):
                raise Mismatch(_ANEW) from fault
            raise _away(fault) from fault

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


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
