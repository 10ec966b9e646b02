"""One multiplexed connection to Redis: many calls in flight, one socket, one write per turn of the event loop.

A library's client costs 60 µs of processor time for a scripted call, this one about 5; that is the reason for it.
A lost connection fails every call that waits on it, and the next call connects again. Nobody waits for longer than
`patience` seconds: a server that stalls is treated like one that is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

_BACKOFF_SECONDS: Final = 0.2


class Packed(NamedTuple):
    """Arguments in the form in which they travel, made once for many calls."""

    number: int
    data: bytes


Argument = str | bytes | int | float
Reply = Any
"""What Redis answers: bytes, int, None, or a list of these."""


class Unreachable(Exception):
    """Redis did not answer. Whether the call took effect is not known."""


class Answered(Exception):
    """Redis answered with an error."""


def packed(*arguments: Argument) -> Packed:
    """Make them ready to travel. A hundred take 11 µs, so what is the same in many calls is packed once."""
    data = hiredis.pack_command(cast("tuple[str]", arguments))
    return Packed(len(arguments), data[data.index(b"\n") + 1 :])


def _command(*parts: Packed) -> bytes:
    """A call of all these arguments."""
    number, data = zip(*parts, strict=True)
    return b"*%d\r\n%b" % (sum(number), b"".join(data))


class Script:
    """A Lua script. `called` is how it is run by its digest, `sent` how it is run where the server does not know it."""

    __slots__ = ("called", "sent", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.called = packed("EVALSHA", hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
        self.sent = packed("EVAL", source)


class _Connection(asyncio.Protocol):
    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[asyncio.Future[Reply], float]] = deque()
        self._unsent: list[bytes] = []
        self._patience = patience
        self._watch: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                future, _ = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._watch:
            self._watch.cancel()
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(Unreachable("The connection to Redis was lost."))
        self._waiting.clear()

    def call(self, command: bytes) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((future, self._loop.time()))
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(command)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience / 2, self._look)
        return future

    def _flush(self) -> None:
        data = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
        self._unsent.clear()
        if not self.closed:
            self._transport.write(data)

    def _look(self) -> None:
        """Give up on a server that has left its oldest call unanswered for too long."""
        self._watch = None
        if self._waiting and self._loop.time() - self._waiting[0][1] > self._patience:
            self._transport.abort()
        elif self._waiting:
            self._watch = self._loop.call_later(self._patience / 2, self._look)

    def close(self) -> None:
        self._transport.abort()


class Wire:
    """The gateway's way to Redis. Every failure is Unreachable or Answered; callers fail closed."""

    def __init__(self, url: str, *, scripts: Sequence[Script] = (), patience: float = 2.0) -> None:
        self._url = urlsplit(url)
        self._scripts = tuple(scripts)
        self._patience = patience
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._not_before = 0.0

    async def call(self, *arguments: Argument) -> Reply:
        """One command; raises Unreachable or Answered."""
        return await self._send(hiredis.pack_command(cast("tuple[str]", arguments)))

    async def _send(self, command: bytes) -> Reply:
        connection = self._connection
        if connection is None or connection.closed:
            connection = await self._connect()
        reply = await connection.call(command)
        if isinstance(reply, hiredis.ReplyError):
            raise Answered(str(reply))
        return reply

    async def run(self, script: Script, keys: int, *parts: Packed) -> Reply:
        """Run a script by its digest; of all arguments in these parts the first `keys` are its keys.

        Loads it again where the server forgot it.
        """
        number = packed(keys)
        try:
            return await self._send(_command(script.called, number, *parts))
        except Answered as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self._send(_command(script.sent, number, *parts))

    def close(self) -> None:
        """Drop the connection; calls in flight fail."""
        if self._connection:
            self._connection.close()

    async def _connect(self) -> _Connection:
        async with self._connecting:
            if self._connection and not self._connection.closed:
                return self._connection
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before:
                raise Unreachable("Redis could not be reached a moment ago.")
            try:
                async with asyncio.timeout(self._patience):
                    self._connection = await self._open()
            except (OSError, TimeoutError, Answered, Unreachable) as error:
                self._not_before = loop.time() + _BACKOFF_SECONDS
                raise Unreachable(f"Redis cannot be reached ({type(error).__name__}).") from error
            return self._connection

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        url, patience = self._url, self._patience
        if url.scheme == "unix":
            _, connection = await loop.create_unix_connection(lambda: _Connection(patience), unquote(url.path))
        else:
            secure = True if url.scheme == "rediss" else None
            host, port = url.hostname or "127.0.0.1", url.port or 6379
            _, connection = await loop.create_connection(lambda: _Connection(patience), host, port, ssl=secure)
        for greeting in self._greetings():
            reply = await connection.call(_command(packed(*greeting)))
            if isinstance(reply, hiredis.ReplyError):
                connection.close()
                raise Answered(str(reply))
        return connection

    def _greetings(self) -> list[tuple[str, ...]]:
        url = self._url
        database = parse_qs(url.query).get("db", [""])[0] or (url.path.strip("/") if url.scheme != "unix" else "")
        greetings: list[tuple[str, ...]] = []
        if url.password:
            greetings.append(("AUTH", unquote(url.username or "default"), unquote(url.password)))
        if database not in {"", "0"}:
            greetings.append(("SELECT", database))
        return [*greetings, *(("SCRIPT", "LOAD", script.source) for script in self._scripts)]
