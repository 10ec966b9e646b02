"""A pooled HTTP/1.1 client for engines, on httptools: Upstream without a library's cost.

An ordinary client spends more processor time on a small answer than all the rest of the gateway (docs/performance.md);
that is the reason for this one. It speaks only to engines that the operator named: plain HTTP, POST of JSON and GET of
/health and /metrics. It follows nothing, decodes nothing, and never reuses a connection whose answer was not read to its end.
upstream.AiohttpUpstream is its understudy, and its oracle in the tests.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

from inference.gateway.upstream import Broken, Unanswered

_IDLE_SECONDS: Final = 4.0
"""Below the engine's own 5 s, so that a pooled connection is seldom found closed."""
_IDLE_MOST: Final = 512
_HEAD_BYTES: Final = 64 * 1024
_PAGE_BYTES: Final = 8 * 1024 * 1024
_BUFFER_BYTES: Final = 256 * 1024
"""Unread bytes above which the engine is made to wait: a slow reader costs no memory."""
_POST: Final = b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
_GET: Final = b"GET %b HTTP/1.1\r\nhost: %b\r\n\r\n"


@lru_cache(maxsize=256)
def _address(url: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    return host, port, parts.netloc.rpartition("@")[2].encode("ascii")


class _Answer:
    """One answer under way: filled by the connection, emptied by its reader."""

    __slots__ = ("_connection", "_into", "_loop", "_most", "_size", "_waiter", "complete", "error", "head", "parts",
                 "status")  # fmt: skip

    def __init__(self, connection: _Connection) -> None:
        self.status = 0
        self.head = False
        self.complete = False
        self.error: Exception | None = None
        self.parts: list[bytes] = []
        """What came and was not taken: the parser appends to it, with no Python of ours between."""
        self._size = 0
        self._most = 0
        self._into: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._connection = connection
        self._loop = connection.loop

    async def headers(self) -> None:
        """Wait for the status line and headers."""
        while not self.head and self.error is None:
            await self._wait()
        if self.error is not None:
            raise self.error

    async def read(self) -> bytes:
        """See upstream.Exchange."""
        while not self.parts:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            await self._wait()
        return self._taken()

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """See upstream.Exchange. No task wakes for a part: to wake one costs as much as all else that is done to it."""
        if self.parts and not into(self._taken()):
            return True
        self._into = into
        try:
            while self._into is not None and not self.complete and self.error is None:
                await self._wait()
            wanted = self._into is not None
        finally:
            self._into = None
        if wanted and self.error is not None:
            raise self.error
        return not wanted

    def arrived(self, size: int) -> None:
        """Hand on what one packet of so many bytes brought: all its parts at once."""
        into = self._into
        if into is not None:
            parts = self.parts
            if parts and not into(parts.pop() if len(parts) == 1 else self._taken()):
                self._into = None
                self.wake()
            return
        self._size += size
        if self._most:  # all of it is waited for
            if self._size > self._most:
                self.wake()
        elif self.parts:
            if self._size > _BUFFER_BYTES and not self.complete:
                self._connection.pause()
            self.wake()

    def _taken(self) -> bytes:
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        if self._connection.paused:
            self._connection.resume()
        return data

    async def body(self, limit: int) -> bytes:
        """See upstream.Exchange."""
        self._most = limit
        self._connection.resume()
        while not self.complete and self.error is None and sum(map(len, self.parts)) <= limit:
            await self._wait()
        if self.error is not None:
            raise self.error
        if sum(map(len, self.parts)) > limit:
            raise Broken("The answer is larger than this gateway lets through.")
        return b"".join(self.parts)

    def abort(self) -> None:
        """See upstream.Exchange."""
        if not self.complete:
            self._connection.drop()

    async def _wait(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, error: Exception | None) -> None:
        self.error = error
        self.complete = error is None
        self.wake()


class _Connection(asyncio.Protocol):
    """One socket; parser callbacks fill the answer that is current."""

    def __init__(self, home: list[_Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._home, self.loop = home, loop
        self._answer: _Answer | None = None
        self._parser: httptools.HttpResponseParser
        self._transport: asyncio.Transport
        self._framed = self.paused = False
        self._head_bytes = 0
        self.used = self.closed = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> _Answer:
        """Write one request; the answer fills as it comes."""
        self._answer = answer = _Answer(self)
        self.on_body = answer.parts.append
        self._parser = httptools.HttpResponseParser(self)
        self._framed, self._head_bytes = False, 0
        self._transport.write(data)
        return answer

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # an engine speaks only when it is asked
            self.drop()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            answer.arrived(len(data))
            self._lost(Broken("The engine's answer is not HTTP."))
            return
        answer.arrived(len(data))
        if not answer.head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._lost(Broken("The engine's headers are too large."))

    def on_message_begin(self) -> None:
        if self._answer is None:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, _value: bytes) -> None:
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._framed = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._answer is not None and status >= 200:
            self._answer.status, self._answer.head = status, True
            self._answer.wake()

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is None or not answer.head:  # 1xx: the real answer follows
            return
        self._answer = None
        keep = self._framed and self._parser.should_keep_alive() and not self.closed
        self.resume()
        if keep and len(self._home) < _IDLE_MOST:
            self.used, self.idle_since = True, self.loop.time()
            self._home.append(self)
        else:
            self.drop()
        answer.end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self in self._home:
            self._home.remove(self)
        answer = self._answer
        if answer is not None and answer.head and not self._framed and exc is None:
            self._answer = None
            answer.end(None)  # an answer without length ends with its connection
        self._lost(Broken("The engine closed the connection."))

    def _lost(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end(error)
        self.drop()

    def pause(self) -> None:
        if not self.paused and not self.closed:
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.paused and not self.closed:
            self.paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close at once: whatever the engine was doing for us, it stops."""
        if not self.closed:
            self.closed = True
            self._transport.abort()


class Http1Upstream:
    """Engines over pooled connections of our own. See upstream.Upstream."""

    def __init__(self, *, connect_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[tuple[str, int], list[_Connection]] = defaultdict(list)

    async def open(self, url: str, path: str, body: bytes, request_id: str) -> _Answer:
        """See Upstream."""
        host, port, name = _address(url)
        return await self._ask(host, port, _POST % (path.encode(), name, request_id.encode(), len(body), body))

    async def get(self, url: str, path: str, seconds: float) -> bytes | None:
        """See Upstream."""
        host, port, name = _address(url)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._ask(host, port, _GET % (path.encode(), name))
                try:
                    body = await answer.body(_PAGE_BYTES)
                finally:
                    answer.abort()
        except (Unanswered, Broken, TimeoutError):
            return None
        return body if answer.status == 200 else None

    async def close(self) -> None:
        """See Upstream."""
        for idle in self._idle.values():
            while idle:
                idle.pop().drop()

    async def _ask(self, host: str, port: int, data: bytes) -> _Answer:
        connection = self._pooled(host, port) or await self._connect(host, port)
        answer = connection.send(data)
        try:
            await answer.headers()
        except Broken as error:
            raise Unanswered("The engine closed the connection.", stale=connection.used) from error
        except asyncio.CancelledError:
            connection.drop()
            raise
        return answer

    def _pooled(self, host: str, port: int) -> _Connection | None:
        idle, oldest = self._idle[host, port], self._loop.time() - _IDLE_SECONDS
        while idle:
            connection = idle.pop()
            if not connection.closed and connection.idle_since >= oldest:
                return connection
            connection.drop()
        return None

    async def _connect(self, host: str, port: int) -> _Connection:
        home = self._idle[host, port]
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await self._loop.create_connection(lambda: _Connection(home, self._loop), host, port)
        except (OSError, TimeoutError) as error:
            raise Unanswered(f"The engine cannot be reached ({type(error).__name__}).") from error
        return connection
