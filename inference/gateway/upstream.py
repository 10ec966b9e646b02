"""The way to an engine: few methods, so that the client behind them can be changed.

`open` sends a request and returns at the status line; an Exchange gives `status`, `complete`, `read`, `pour`, `body` and `abort`.
Closing the connection is how a generation is cancelled, so an exchange that is not read to its end is never reused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import aiohttp

_JSON: Final = {"content-type": "application/json", "accept": "*/*"}
_KEEPALIVE_SECONDS: Final = 4.0
"""Below the engine's own 5 s, so that a pooled connection is seldom found closed."""


class Unanswered(Exception):
    """No status line came. `stale`: a pooled connection had been closed; the same engine may be tried once more."""

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class Broken(Exception):
    """The answer ended before its end."""


class Exchange(Protocol):
    """One answer under way."""

    status: int

    @property
    def complete(self) -> bool:
        """Whether the answer has arrived to its end, read or not."""

    async def read(self) -> bytes:
        """What has arrived, at least one byte; empty at the end. Raises Broken."""

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """Give each part to `into` as it arrives, until it says that it wants no more for now.

        True when `into` said so (it has what it was given; call again for the rest), False at the end of the answer.
        `into` must not raise. Raises Broken.
        """

    async def body(self, limit: int) -> bytes:
        """All of it. Raises Broken, also above the limit."""

    def abort(self) -> None:
        """Close the connection, or give it back if the answer was read to its end. May be called twice."""


class Upstream(Protocol):
    """A client of engines."""

    async def open(self, url: str, path: str, body: bytes, request_id: str) -> Exchange:
        """POST the JSON body; returns at the status line. Raises Unanswered."""

    async def get(self, url: str, path: str, seconds: float) -> bytes | None:
        """The body of a small page, or None where it was not answered 200 in time."""

    async def close(self) -> None:
        """Close all connections."""


class _AiohttpExchange:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status

    @property
    def complete(self) -> bool:
        return self._response.content.is_eof()

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise Broken(type(error).__name__) from error

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        while data := await self.read():
            if not into(data):
                return True
        return False

    async def body(self, limit: int) -> bytes:
        parts, size = [], 0
        while part := await self.read():
            parts.append(part)
            size += len(part)
            if size > limit:
                raise Broken("The answer is larger than this gateway lets through.")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abort(self) -> None:
        self._response.close()


class AiohttpUpstream:
    """Engines over aiohttp: pooled, HTTP/1.1, no redirects, no proxies, no cookies."""

    def __init__(self, *, connect_seconds: float) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
            trust_env=False,
        )

    async def open(self, url: str, path: str, body: bytes, request_id: str) -> Exchange:
        """See Upstream."""
        headers = {**_JSON, "x-request-id": request_id}
        try:
            response = await self._session.post(url + path, data=body, headers=headers, allow_redirects=False)
        except aiohttp.ServerDisconnectedError as error:
            raise Unanswered("The engine closed the connection.", stale=True) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unanswered(f"The engine cannot be reached ({type(error).__name__}).") from error
        return _AiohttpExchange(response)

    async def get(self, url: str, path: str, seconds: float) -> bytes | None:
        """See Upstream."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.get(url + path, timeout=timeout, allow_redirects=False) as answer:
                return await answer.read() if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def close(self) -> None:
        """See Upstream."""
        await self._session.close()
