"""Sends a part of a file to a client by the kernel alone (sendfile): no copy of it passes through this process.

A thread does it, since the file may have to come from the disk, for as long as the client keeps up. A slow client is
waited for by the event loop and holds no thread.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Awaitable, Callable
from typing import Any, Final

SENDFILE: Final = "weighbridge.sendfile"
"""The ASGI extension under which inference.gateway.server offers it."""
Sendfile = Callable[[int, int, int, "asyncio.Future[None]"], Awaitable[int]]
"""(open file, first byte, byte after the last, done when the client has left) → the byte it came to."""
TURN: Final = 1 << 26
"""Bytes that one thread sends before others have their turn."""
PATIENCE_MS: Final = 5


async def pour(socket: int, file: int, start: int, end: int, gone: asyncio.Future[None]) -> int:
    """Send bytes [start, end) of `file`; the byte it came to, less than `end` when the client left.

    Both descriptors must stay open until this returns, also when it is cancelled. Raises OSError when the file is
    shorter than `end`.
    """
    loop = asyncio.get_running_loop()
    while start < end and not gone.done():
        turn = loop.run_in_executor(None, _send, socket, file, start, min(end, start + TURN))
        try:
            start = await asyncio.shield(turn)
        except ConnectionError:
            await asyncio.wait({gone}, timeout=1)  # the server is about to notice as well
            return start
        except asyncio.CancelledError:
            await asyncio.wait({turn})  # it still uses the descriptors
            raise
        if start < end:
            await _until_writable(socket, gone)
    return start


def _send(socket: int, file: int, start: int, end: int) -> int:
    """As much as the client takes without a pause."""
    poller = select.poll()
    poller.register(socket, select.POLLOUT)
    while start < end and poller.poll(PATIENCE_MS):
        try:
            sent = os.sendfile(socket, file, start, end - start)
        except BlockingIOError:
            break
        if not sent:
            raise OSError("The file is shorter than it was.")
        start += sent
    return start


async def _until_writable(socket: int, gone: asyncio.Future[None]) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(socket, ready.set)
    waiting: asyncio.Future[bool] = asyncio.ensure_future(ready.wait())
    watched: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        loop.remove_writer(socket)
