"""One HTTP request as the gateway sees it: a few headers, a bounded body, one way to answer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from inference.contract import Principal, Route
from inference.gateway.asgi import Headers, Receive, Scope, Send
from inference.gateway.errors import Refusal, bad_request, body_too_large

Push = Callable[[bytes], bool]
"""Writes a part of a stream at once, or says False: the client is slow, or gone, and `send` must be awaited."""
PUSH: Final = "weighbridge.push"
"""The ASGI extension under which inference.gateway.server offers it."""
Begin = Callable[[int, Headers, bytes | None], bool]
"""Writes a whole answer at once, or without a body the head of a stream; or says False: `send` must be awaited."""
BEGIN: Final = "weighbridge.begin"
"""Its extension."""
WhenGone = Callable[[Callable[[], None] | None], object]
"""Names what is called when the client leaves before its answer is whole, at once where it has left; None: nothing any more."""
WHEN_GONE: Final = "weighbridge.when_gone"
"""Its extension. A server without it leaves it unnoticed that a client has left."""
_JSON: Final = (b"content-type", b"application/json")
_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


def _never(*_: object) -> bool:
    """What a server without the extensions can do at once."""
    return False


class ClientGone(Exception):
    """The client left before its request was read."""


def _random() -> Iterator[str]:
    """Ten random bytes at a time, of four kilobytes per call of the system."""
    while True:
        block = os.urandom(4000).hex()
        yield from (block[start : start + 20] for start in range(0, len(block), 20))


_digits = _random()


def new_request_id() -> str:
    """Sortable by time, 128 bits, ours alone: a client's own id is not taken over."""
    return f"req-{time.time_ns() // 1_000_000:012x}{next(_digits)}"


class Call:
    """Scope, receive and send of one request."""

    __slots__ = ("asked", "authorization", "begin", "headers", "method", "path", "principal", "push", "receive", "request_id",
                 "route", "scope", "send", "started", "when_gone")  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        raw = scope.get("raw_path") or scope["path"].encode()
        self.path = unquote_to_bytes(raw.partition(b"?")[0]).decode("utf-8", "replace")
        self.request_id = new_request_id()
        self.headers: Headers = [(b"x-request-id", self.request_id.encode())]
        self.authorization = self.header(b"authorization")
        self.started = False
        self.route: Route | None = None
        self.principal: Principal | None = None
        self.asked = ""
        offered = scope.get("extensions") or {}
        self.push: Push = offered.get(PUSH, _never)
        self.begin: Begin = offered.get(BEGIN, _never)
        self.when_gone: WhenGone = offered.get(WHEN_GONE, _never)

    def rename(self, request_id: str) -> None:
        """Take another request id, before anything is done under the first."""
        self.request_id = request_id
        self.headers[0] = (b"x-request-id", request_id.encode())

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name."""
        for key, value in self.scope["headers"]:
            if key == name:
                return bytes(value)
        return None

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body. Raises a refusal when it is too large or too slow, ClientGone when the client left."""
        encoding = self.header(b"content-encoding")
        if encoding not in {None, b"identity"}:
            raise bad_request("Send the body uncompressed.", code="unsupported_encoding")
        size = self.header(b"content-length")
        if size is not None and size.isdigit() and (len(size) > 12 or int(size) > limit):
            raise body_too_large(limit)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        first: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if len(first) > limit:
                raise body_too_large(limit)
            return first
        try:
            async with asyncio.timeout(seconds):
                return await self._rest(first, limit)
        except TimeoutError as error:
            text = f"The body did not arrive within {seconds:g} seconds."
            raise Refusal(408, "body_too_slow", text, headers=[(b"x-should-retry", b"false")]) from error

    async def _rest(self, first: bytes, limit: int) -> bytes:
        parts, size = [first], len(first)
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise body_too_large(limit)
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)

    async def answer(self, value: object, *, status: int = 200) -> None:
        """A JSON answer of our own."""
        await self._whole(status, self.headers, orjson.dumps(value))

    async def pass_on(self, body: bytes) -> None:
        """The engine's JSON answer, as it is."""
        await self._whole(200, self.headers, body)

    async def refuse(self, refusal: Refusal) -> None:
        """An error answer; nothing when an answer has begun."""
        if not self.started:
            await self._whole(refusal.status, [*self.headers, *refusal.headers], orjson.dumps(refusal.body()))

    async def begin_stream(self) -> None:
        """Status line and headers of an event stream."""
        self.started = True
        headers = [*_STREAM, *self.headers]
        if not self.begin(200, headers, None):
            await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def events(self, data: bytes, *, last: bool) -> None:
        """Part of an event stream."""
        await self.send({"type": "http.response.body", "body": data, "more_body": not last})

    async def _whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.started = True
        headers = [_JSON, (b"content-length", b"%d" % len(body)), *headers]
        if not self.begin(status, headers, body):
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body, "more_body": False})
