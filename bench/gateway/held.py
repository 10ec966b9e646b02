"""What a proxy holds: memory with thousands of open streams and with readers that do not read, and time till an abort arrives."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
from dataclasses import dataclass
from math import inf

from bench.gateway.cells import Faulty, request_of
from bench.gateway.load import Client, Tally
from bench.gateway.stand import Server, Target

STREAMS, LASTING = 5000, 14
"""Streams at once, and how many seconds each lasts, with an event a second."""
READERS, EVENTS, WORD = 50, 2000, 4000
"""Slow readers; the events of each one's answer, and the bytes in each event."""
ABORTS = 20
_AT_ONCE = 100


@dataclass
class Held:
    """Resident megabytes: before, with all streams open, and just before they end."""

    before: float
    opened: float
    late: float


async def streams(target: Target) -> Held:
    """Open them all, and look again a while later. Raises Faulty when one does not end as it should."""
    body = {"prompt": "a #numbered=1 #itl=1000", "max_tokens": LASTING, "stream": True}
    request, tally, loop = request_of(target, body), Tally(), asyncio.get_running_loop()
    before, ended, gate = target.server.rss_mb(), [], asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        end = loop.create_future()
        ended.append(end)
        async with gate:
            _, client = await loop.create_connection(
                lambda: Client(tally, lambda own: own.transport.close(), lambda: end.done() or end.set_result(None)),
                "127.0.0.1", target.server.port,
            )  # fmt: skip
            client.ask(request)

    begun = loop.time()
    await asyncio.gather(*(one() for _ in range(STREAMS)))
    await asyncio.sleep(2)
    opened, open_after = target.server.rss_mb(), loop.time() - begun
    await asyncio.sleep(max(LASTING - open_after - 2, 0))
    late = target.server.rss_mb()
    await asyncio.gather(*ended)
    if tally.errors or tally.answers != STREAMS:
        raise Faulty(f"{target.name}: {tally.errors} errors in {tally.answers} of {STREAMS} streams.")
    return Held(before, opened, late)


async def slow_readers(target: Target) -> Held:
    """Nobody reads for a while; then all read to the end. Raises Faulty when something is missing then."""
    body = {"prompt": f"a #numbered=1 #text={'x' * WORD}", "max_tokens": EVENTS, "stream": True}
    request, loop = request_of(target, body), asyncio.get_running_loop()
    before, sockets = target.server.rss_mb(), []
    for _ in range(READERS):
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)  # noqa: FBT003
        await loop.sock_connect(own, ("127.0.0.1", target.server.port))
        await loop.sock_sendall(own, request)
        sockets.append(own)
    await asyncio.sleep(2)
    opened = target.server.rss_mb()
    await asyncio.sleep(4)
    late = target.server.rss_mb()
    sizes = await asyncio.gather(*(asyncio.wait_for(_drain(own), 120) for own in sockets))
    if min(sizes) < EVENTS * WORD:
        raise Faulty(f"{target.name}: a slow reader has {min(sizes)} of {EVENTS * WORD} bytes.")
    return Held(before, opened, late)


async def _drain(own: socket.socket) -> int:
    loop, size, tail = asyncio.get_running_loop(), 0, b""
    while not tail.endswith(b"0\r\n\r\n"):
        data = await loop.sock_recv(own, 1 << 18)
        if not data:
            break
        size, tail = size + len(data), (tail + data)[-5:]
    own.close()
    return size


async def aborts(target: Target, engine: Server) -> list[float]:
    """Milliseconds from a client's close to the engine's notice, in order; infinite where it took 0.2 s."""
    request = request_of(target, {"prompt": "a #itl=20", "max_tokens": 3000, "stream": True})
    waits = []
    for _ in range(ABORTS):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.server.port)
        writer.write(request)
        await reader.readuntil(b"data: ")
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        writer.transport.abort()
        await asyncio.sleep(0.2)
        noticed = await asyncio.to_thread(_last_abort, engine.port) - begun
        waits.append(noticed * 1000 if noticed > 0 else inf)
    return sorted(waits)


def _last_abort(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/truth", timeout=10) as answer:
        return json.load(answer)["last_abort"]
