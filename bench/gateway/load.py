"""Load generators over raw sockets: closed loop for processor time and capacity, open loop for latency.

In a closed loop each connection asks again as soon as it is answered, so a slow server is asked less and hides its
queue. In an open loop requests come when they come, at random and at a given rate, and waiting counts as latency.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

_SIZE = re.compile(rb"(?i)content-length: *(\d+)")
_LAST = b"0\r\n\r\n"


@dataclass
class Tally:
    """What was seen within the measured time. Latencies in seconds, to the end of an answer; `firsts` to its first byte of body."""

    answers: int = 0
    events: int = 0
    errors: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Of the latencies, in milliseconds."""
        return quantile(self.latencies, share)


def quantile(seconds: list[float], share: float) -> float:
    """In milliseconds; 0 of nothing."""
    ordered = sorted(seconds)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000 if ordered else 0.0


class Client(asyncio.Protocol):
    """One connection with one request at a time; `answered` is called after each answer."""

    def __init__(
        self, tally: Tally, answered: Callable[[Client], None], gone: Callable[[], None] = lambda: None
    ) -> None:
        self.tally, self.answered, self.gone = tally, answered, gone
        self.buffer, self.need, self.chunked = b"", -1, False
        self.asked = 0.0
        self.waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, since: float | None = None) -> None:
        """Send the request; its latency counts from `since`, or from now."""
        self.buffer, self.need, self.waits = b"", -1, True
        self.asked = since or time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.need < 0:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0 or (len(self.buffer) == end + 4 and self._empty_so_far(end)):
                return
            self._begun(end)
            data, self.buffer = self.buffer[end + 4 :], b""
        if self.chunked:
            self.tally.events += data.count(b"data: {")
            self.buffer = (self.buffer + data)[-5:]
            if self.buffer == _LAST:
                self._whole()
        else:
            self.need -= len(data)
            if self.need <= 0:
                self._whole()

    def _empty_so_far(self, end: int) -> bool:
        """Only the head is here, and a body follows it."""
        size = _SIZE.search(self.buffer, 0, end)
        return size is None or int(size[1]) > 0

    def _begun(self, end: int) -> None:
        self.tally.firsts.append(time.perf_counter() - self.asked)
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            self.tally.errors += 1
        size = _SIZE.search(self.buffer, 0, end)
        self.chunked = size is None
        self.need = 0 if size is None else int(size[1])

    def _whole(self) -> None:
        self.tally.answers += 1
        self.tally.latencies.append(time.perf_counter() - self.asked)
        self.waits = False
        self.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waits:
            self.tally.errors += 1
        self.gone()


async def drive(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Tally:
    """Closed loop: one request after another on every connection for that long; waits for the last answers."""
    loop = asyncio.get_running_loop()
    tally, end = Tally(), loop.time() + seconds
    begun = time.perf_counter()

    def again(client: Client) -> None:
        if loop.time() < end:
            client.ask(next(requests))
        else:
            client.transport.close()

    waits = []
    for _ in range(connections):
        done = loop.create_future()
        waits.append(done)
        _, client = await loop.create_connection(
            lambda done=done: Client(tally, again, lambda: done.done() or done.set_result(None)), "127.0.0.1", port
        )
        client.ask(next(requests))
    await asyncio.gather(*waits)
    tally.seconds = time.perf_counter() - begun
    return tally


async def arrive(port: int, request: bytes, *, rate: float, seconds: float, seed: int) -> Tally:
    """Open loop: requests at random moments, `rate` a second, each on a connection that is free or new.

    Latency counts from the moment a request was due. Timers of an event loop tick in milliseconds, so a thread tells
    the time.
    """
    loop, tally, free = asyncio.get_running_loop(), Tally(), list[Client]()
    chance = random.Random(seed)
    begun = time.perf_counter() + 0.01
    due = [begun + chance.expovariate(rate)]
    while due[-1] < begun + seconds:
        due.append(due[-1] + chance.expovariate(rate))
    connecting = set[asyncio.Task[None]]()

    all_in = asyncio.Event()

    def answered(client: Client) -> None:
        free.append(client)
        if tally.answers == len(due):
            all_in.set()

    async def connect(moment: float) -> None:
        _, client = await loop.create_connection(lambda: Client(tally, answered), "127.0.0.1", port)
        client.ask(request, moment)

    def send(moment: float) -> None:
        while free:
            client = free.pop()
            if not client.transport.is_closing():
                client.ask(request, moment)
                return
        task = asyncio.ensure_future(connect(moment))
        connecting.add(task)
        task.add_done_callback(connecting.discard)

    clock = threading.Thread(target=_tell, args=(due, lambda moment: loop.call_soon_threadsafe(send, moment)))
    clock.start()
    await asyncio.to_thread(clock.join)
    with suppress(TimeoutError):
        await asyncio.wait_for(all_in.wait(), 10)
    tally.errors += len(due) - tally.answers
    tally.seconds = due[-1] - begun
    for client in free:
        client.transport.close()
    return tally


def _tell(due: list[float], send: Callable[[float], object]) -> None:
    for moment in due:
        pause = moment - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        send(moment)
