"""Sends rows to the gateway, several at a time, from a thread with an event loop of its own.

What opens again by waiting is waited for: a rate, a full pool, an engine that is being loaded, a gateway that is
restarted. What an engine itself broke is tried a few times. Everything else is the row's answer. Closing the courier
closes its connections; the gateway then ends those rows and refunds them.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import orjson

from inference.batches.rows import Row
from inference.batches.tries import Tries
from inference.contract import ROW_HEADER

CLASS: Final = {"Weighbridge-Class": "batch"}
"""Behind everything that somebody waits for."""
LONGEST_PAUSE_S: Final = 30.0
_ROW_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said of one row: status, body, and the request id of the ledger."""

    row: Row
    status: int
    body: dict[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """A row without an answer, and what it met."""

    row: Row
    met: list[float]


class Courier:
    """A context manager. `secret` is asked anew for every try, in the loop's thread: stand-ins are short-lived.

    `met`: line → what a row that was held back has met so far (tries.py), from this turn and earlier ones.
    """

    def __init__(self, url: str, *, at_a_time: int, secret: Callable[[], str], met: dict[str, list[float]]) -> None:
        self._url, self._secret, self._at_a_time = url, secret, at_a_time
        self.met = dict(met)
        self._landed: queue.SimpleQueue[Answer | _HeldBack] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="courier", daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_back = asyncio.Event()
        self._pause_until = 0.0
        self._good = 0
        self.aloft: dict[int, Row] = {}
        """Rows that were sent and not collected, by line."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def free(self) -> bool:
        """Whether another row may be sent."""
        return len(self.aloft) < self._at_a_time

    def send(self, row: Row) -> None:
        """Begin with a row."""
        self.aloft[row.line] = row
        self._loop.call_soon_threadsafe(self._begin, row)

    def hold_back(self) -> None:
        """Try no row again: those that wait for their next try are not aloft any more, and have no answer."""
        self._loop.call_soon_threadsafe(self._held_back.set)

    def collect(self, wait_s: float) -> list[Answer]:
        """The answers that came; waits at most `wait_s` seconds for the first one, or for a row that was held back."""
        found: list[Answer | _HeldBack] = []
        with suppress(queue.Empty):
            found.append(self._landed.get(timeout=wait_s))
            while True:
                found.append(self._landed.get_nowait())
        for one in found:
            self.aloft.pop(one.row.line, None)
            if isinstance(one, _HeldBack):
                self.met[str(one.row.line)] = one.met
            else:
                self.met.pop(str(one.row.line), None)
        return [one for one in found if isinstance(one, Answer)]

    def _begin(self, row: Row) -> None:
        task = self._loop.create_task(self._carry(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _carry(self, row: Row) -> None:
        tries = Tries.after(self.met.get(str(row.line)), now=self._loop.time(), good=self._good)
        while not await self._paused(self._pause_until - self._loop.time()):
            answer, told_s = await self._ask(row)
            if answer is None:
                tries.unheard(now=self._loop.time())
            elif not tries.another(answer.status, answer.body, now=self._loop.time(), good=self._good):
                self._good += answer.status == 200
                self._landed.put(answer)
                return
            tries.count += 1
            pause = told_s or min(LONGEST_PAUSE_S, 0.25 * 2 ** min(tries.count, 8))
            if answer is not None and answer.status == 429:
                self._pause_until = self._loop.time() + pause  # the limit is everybody's: nobody need ask before
            if await self._paused(pause * random.uniform(1.0, 1.25)):  # noqa: S311 spreads tries, guards nothing
                break
        self._landed.put(_HeldBack(row, tries.met(now=self._loop.time())))

    async def _paused(self, seconds: float) -> bool:
        """Whether rows are held back after this pause, which then ends at once."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._held_back.wait()
        return self._held_back.is_set()

    async def _ask(self, row: Row) -> tuple[Answer | None, float]:
        """The answer and the seconds that it says to wait; no answer where nobody listens."""
        headers = {**CLASS, "Authorization": f"Bearer {self._secret()}", ROW_HEADER: str(row.line)}
        try:
            async with self._open().post(self._url, data=row.content, headers=headers) as reply:
                text = await reply.read()
                wait_ms = reply.headers.get("retry-after-ms", "")
                return Answer(row, reply.status, _object(text), reply.headers.get("x-request-id", "")), _seconds(
                    wait_ms
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None, 0.0

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ROW_S, sock_connect=5)
            self._session = aiohttp.ClientSession(
                timeout=timeout, trust_env=False, headers={"Content-Type": "application/json"}
            )
        return self._session


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return value
    return {"error": {"message": "The answer was no JSON.", "type": "server_error", "param": None, "code": "broken"}}


def _seconds(wait_ms: str) -> float:
    return min(int(wait_ms) / 1000, 120.0) if wait_ms.isdigit() else 0.0
