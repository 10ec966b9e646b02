"""An object of a bucket as a file, fetched by ranges as it is read.

One connection to S3 carries 85 to 90 MB/s, and AWS's advice is to make as many requests at once as fill the line
(docs.aws.amazon.com, "Performance guidelines for Amazon S3"). Who reads on is therefore read ahead for.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from botocore.exceptions import BotoCoreError

from releases.storage.service import asked
from releases.storage.staging import Away

_FIRST: Final = 1 << 20
_LONGEST: Final = 8 << 20
_AT_ONCE: Final = 6
"""With the longest span: 48 MiB of memory for an object that is read whole."""


class Ranged(io.RawIOBase):
    """`key` of `bucket`, `size` bytes long; with `etag`, only that writing of it.

    A header of a few kilobytes is one range. A second read that begins where the first one ended has the rest
    fetched ahead. Reading raises FileNotFoundError, Mismatch where another writing lies there, Away.
    """

    def __init__(self, client: Any, bucket: str, key: str, size: int, *, etag: str = "") -> None:  # noqa: ANN401 boto3 makes its clients at run time
        self._client, self._size, self._at = client, size, 0
        self._what = {"Bucket": bucket, "Key": key, **({"IfMatch": etag} if etag else {})}
        self._read_to = -1
        self._ahead: _Ahead | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """From anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Where the next read begins; nothing is fetched yet."""
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 any writable buffer
        """Fill as much of the buffer as has come; 0 at the end."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        piece: bytes | memoryview
        if self._at == self._read_to:
            self._ahead = self._ahead or _Ahead(self, self._at, self._size)
            piece = self._ahead.read(wanted)
        else:
            self._drop()
            piece = self.fetch(self._at, wanted)
        buffer[: len(piece)] = piece
        self._at = self._read_to = self._at + len(piece)
        return len(piece)

    def close(self) -> None:
        """And fetch no more."""
        self._drop()
        super().close()

    def fetch(self, start: int, length: int) -> bytes:
        """So many bytes from `start` on, by a request of their own; what breaks off is asked for once more."""
        try:
            return self._get(start, length)
        except BotoCoreError:
            pass
        try:
            return self._get(start, length)
        except BotoCoreError as fault:
            raise Away(fault) from fault

    def _get(self, start: int, length: int) -> bytes:
        with asked(self._what["Key"]):
            body = self._client.get_object(**self._what, Range=f"bytes={start}-{start + length - 1}")["Body"]
        piece = bytes(body.read())
        if len(piece) != length:
            raise Away(ValueError(f"{len(piece):,} bytes came where {length:,} were asked for"))
        return piece

    def _drop(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


class _Ahead:
    """The bytes from `start` to `end`, in order, of which the next ones are on their way already.

    Begins with one short span, and asks for longer ones, and more at once, the longer it is read from: who wanted two
    mebibytes has not fetched fifty.
    """

    def __init__(self, source: Ranged, start: int, end: int) -> None:
        self._fetch, self._spans, self._at_once = source.fetch, _spans(start, end), 0
        self._pool = ThreadPoolExecutor(_AT_ONCE, "read-ahead")
        self._due: deque[Future[bytes]] = deque()
        self._piece = memoryview(b"")

    def read(self, most: int) -> memoryview:
        """The next bytes: at least one, unless the end is reached, and at most so many."""
        if not self._piece:
            self._piece = self._next()
        part, self._piece = self._piece[:most], self._piece[most:]
        return part

    def close(self) -> None:
        """And fetch no more."""
        """Leave what is under way to its end, and begin no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> memoryview:
        self._at_once = min(self._at_once + 1, _AT_ONCE)
        while len(self._due) < self._at_once and (span := next(self._spans, None)):
            self._due.append(self._pool.submit(self._fetch, *span))
        return memoryview(self._due.popleft().result()) if self._due else memoryview(b"")


def _spans(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, bytes), each twice as long as the one before, up to the longest."""
    length = _FIRST
    while start < end:
        yield start, min(length, end - start)
        start, length = start + length, min(2 * length, _LONGEST)
