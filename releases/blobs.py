"""Serves the local store: signed GETs of immutable objects, with Range, in constant memory, and signed PUTs of parts of
uploads (releases.parts). ASGI; no framework, no cookie.

Every answer is a download with a type from the link (our own list), `nosniff` and a sandbox: a hostile file never
becomes a page of this site. Our server hands the file to the kernel; under any other, one mebibyte per response is in
memory at a time, and its flow control paces reads.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from portal import env
from releases import parts
from releases.permits import PARTS, RANGE, PartPermit, Permit, disposition, place

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Sendfile = Callable[[int, int, int, "asyncio.Future[None]"], Awaitable[int]]

SENDFILE: Final = "weighbridge.sendfile"
"""The ASGI extension of inference.gateway.server that sends a file without a copy of it; a test compares the names."""
PIECE: Final = 1 << 20
_FIXED: Final[Headers] = [
    (b"accept-ranges", b"bytes"),
    (b"cache-control", b"private, no-store"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, end) of an object, and whether they answer a range."""

    start: int
    end: int
    partial: bool


@dataclass(frozen=True, slots=True)
class Blobs:
    """The app over one store's folder. `keys`: the one that the portal signs with, and those that it signed with before."""

    root: Path
    keys: tuple[bytes, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        method = scope["method"]
        if scope["path"].startswith(PARTS) and method == "PUT":
            await self._take(scope, receive, send)
            return
        permit = self._permit(scope)
        if method not in {"GET", "HEAD"}:
            await _say(send, 405, "This link is for GET alone.", [(b"allow", b"GET, HEAD")])
        elif permit is None:
            await _say(send, 403, "This link has expired or was altered. Ask the portal for a new one.")
        elif permit.span and _headers(scope).get("range") != permit.span:
            await _say(
                send, 403, "This link is for the part of the file that was asked for. Ask the portal for another."
            )
        else:
            await self._serve(permit, scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("ascii", "replace")
        read = (PartPermit.read(scope["path"], query, key, now=time.time()) for key in self.keys)
        permit = next(filter(None, read), None)
        if permit is None:
            await _say(send, 403, "This link has expired or was altered. Begin the upload again.")
            return
        answer = await parts.take(self.root, permit, _headers(scope).get("content-length", ""), receive)
        if answer:
            await _say(send, *answer)

    def _permit(self, scope: Scope) -> Permit | None:
        query = scope["query_string"].decode("ascii", "replace")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        permit = next(filter(None, (Permit.read(path, query, key, now=time.time()) for key in self.keys)), None)
        return permit if permit and permit.method == "GET" else None

    async def _serve(self, permit: Permit, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            handle = os.open(place(self.root, permit.sha256), os.O_RDONLY)
        except FileNotFoundError:
            await _say(send, 404, "The store does not hold this object. Tell the lab.")
            return
        try:
            await _answer(handle, permit, scope, receive, send)
        finally:
            os.close(handle)


async def _answer(handle: int, permit: Permit, scope: Scope, receive: Receive, send: Send) -> None:
    asked = _headers(scope)
    size, etag = os.fstat(handle).st_size, f'"{permit.sha256}"'
    headers = _FIXED + _pairs(etag=etag, content_type=permit.type, content_disposition=disposition(permit.name))
    if etag in asked.get("if-none-match", ""):
        await _whole(send, 304, headers)
        return
    span = span_of({"range": permit.span} if permit.span else asked, size, etag)
    if span is None:
        await _say(send, 416, "The range lies outside the file.", _pairs(content_range=f"bytes */{size}"))
        return
    headers += _pairs(content_length=str(span.end - span.start))
    if span.partial:
        headers += _pairs(content_range=f"bytes {span.start}-{span.end - 1}/{size}")
    if scope["method"] == "HEAD" or span.end == span.start:
        await _whole(send, 206 if span.partial else 200, headers)
        return
    await send({"type": "http.response.start", "status": 206 if span.partial else 200, "headers": headers})
    await _pour(handle, span, receive, send, (scope.get("extensions") or {}).get(SENDFILE))


async def _pour(handle: int, span: Span, receive: Receive, send: Send, sendfile: Sendfile | None) -> None:
    """Send the span's bytes, by the kernel or one piece at a time, until done or until nobody listens."""
    gone = asyncio.ensure_future(_disconnected(receive))
    start = span.start
    try:
        if sendfile:
            start = await sendfile(handle, span.start, span.end, gone)
            if start == span.end:
                await send({"type": "http.response.body"})
            return
        while start < span.end and not gone.done():
            piece = await asyncio.to_thread(os.pread, handle, min(PIECE, span.end - start), start)
            if not piece:
                raise OSError("An object of the store is shorter than it was.")
            start += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": start < span.end})
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def span_of(asked: Mapping[str, str], size: int, etag: str) -> Span | None:
    """What to send of an object of `size` bytes (RFC 9110, section 14); None when the range cannot be satisfied.

    Several ranges, a malformed one, or one of an object that has another etag mean the whole object.
    """
    found = RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if found is None or asked.get("if-range", etag) != etag:
        return Span(0, size, partial=False)
    first, last = found.groups()
    if not first:
        return Span(max(0, size - int(last)), size, partial=True) if int(last) and size else None
    start, end = int(first), min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return Span(0, size, partial=False)
    return Span(start, end, partial=True) if start < size else None


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _pairs(**headers: str) -> Headers:
    return [(name.replace("_", "-").encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]


async def _say(send: Send, status: int, text: str, extra: Headers | None = None) -> None:
    body = (text + "\n").encode()
    headers = _FIXED + _pairs(content_type="text/plain; charset=utf-8", content_length=str(len(body))) + (extra or [])
    await _whole(send, status, headers, body)


async def _whole(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _from_environment() -> Blobs:
    home = env.text("WEIGHBRIDGE_HOME", str(Path(__file__).resolve().parent.parent / ".weighbridge"))
    root = env.text("STORE_PATH", str(Path(home).absolute() / "blobs"))
    keys = env.required("BLOB_SIGNING_KEY", "the key that signs local download links").split()
    return Blobs(Path(root), tuple(key.encode() for key in keys))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The app that the settings in the environment describe; it reads the same names as portal.settings."""
    if scope["type"] == "http":
        await _from_environment()(scope, receive, send)
