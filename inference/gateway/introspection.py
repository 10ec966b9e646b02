"""Speaks to the control plane over its private listener: who a token stands for, and content that it shall keep."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp

from inference.contract import CONTENT_PATH, INTROSPECT_PATH, Introspection
from inference.gateway import errors

_AT_ONCE: Final = 16
_SECONDS: Final = 5.0


class Introspector:
    """POST /internal/introspect. Callers with the same digest share one question; few questions run at once."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self._socket = unquote(parts.path) if parts.scheme == "unix" else ""
        self._base = "http://portal" if self._socket else url.rstrip("/")
        self._headers = {"authorization": f"Bearer {secret}"}
        self._asked: dict[str, asyncio.Task[Introspection]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, digest: str, *, afresh: bool = False) -> Introspection:
        """The answer; `afresh` joins no question that was put before. Raises a 503 refusal when there is no answer."""
        task = None if afresh else self._asked.get(digest)
        if task is None:
            task = self._asked[digest] = asyncio.ensure_future(self._ask(digest))
            task.add_done_callback(lambda done: self._forget(digest, done))
        return await asyncio.shield(task)

    async def hand_over(self, content: bytes) -> bool | None:
        """Sealed content of a query; whether it is kept, or None where the control plane does not answer."""
        try:
            async with self._post(CONTENT_PATH, data=content) as answer:
                return None if answer.status >= 500 else answer.status == 204
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    def _forget(self, digest: str, done: asyncio.Task[Introspection]) -> None:
        if self._asked.get(digest) is done:
            del self._asked[digest]

    async def _ask(self, digest: str) -> Introspection:
        async with self._gate:
            try:
                async with self._post(INTROSPECT_PATH, json={"digest": digest}) as answer:
                    if answer.status != 200:
                        raise errors.unavailable("The token could not be checked. Try again shortly.")
                    return Introspection.from_json(await answer.read())
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
                raise errors.unavailable("The token could not be checked. Try again shortly.") from error

    def _post(self, path: str, **body: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._open().post(self._base + path, headers=self._headers, **body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(self._socket) if self._socket else aiohttp.TCPConnector(limit=_AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self._session
