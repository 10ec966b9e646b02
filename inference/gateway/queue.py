"""This process's part of the pools' queues: who waits here, and for how long.

The order is kept in Redis (scripts/queue.lua), one for all gateways. A waiting request is a flight like any other: its
lease is renewed by the heartbeat, and it leaves at once with its client or its right. What is done here is to ask, many
times a second while anybody waits, and at once when a request of this process has ended, whose turn it is.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from inference.contract import Route
from inference.gateway import errors
from inference.gateway.flights import Flight
from inference.gateway.limits import Limiter
from inference.gateway.metrics import Metrics
from inference.gateway.wire import Answered, Unreachable

log = logging.getLogger("weighbridge.gateway")

_ASK_SECONDS: Final = 0.05
_MOST: Final = 200
"""Requests in one call: a longer script would make others wait."""


class _Line:
    """The flights of this process that wait for one pool."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.waiting: dict[str, tuple[Flight, asyncio.Future[bool]]] = {}
        self.gap = -1
        self.stir = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Queue:
    """Waits for a place, for at most `seconds`."""

    def __init__(self, limiter: Limiter, metrics: Metrics, *, seconds: float, first_byte_seconds: float) -> None:
        self._limiter, self._metrics = limiter, metrics
        self._seconds, self._first_byte_seconds = seconds, first_byte_seconds
        self._lines: dict[str, _Line] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return sum(len(line.waiting) for line in self._lines.values())

    def freed(self, pool: str) -> None:
        """A request of this pool has ended here."""
        if line := self._lines.get(pool):
            line.stir.set()

    async def wait(self, flight: Flight) -> int:
        """Until the flight has its place; returns how many ms that took. Raises the 503 refusal when it takes too long."""
        route, begun = flight.right.route, self._loop.time()
        line = self._lines.setdefault(route.pool, _Line(route))
        turn: asyncio.Future[bool] = self._loop.create_future()
        line.route, line.waiting[flight.request_id] = route, (flight, turn)
        line.stir.set()
        if line.task is None:
            line.task = asyncio.ensure_future(self._ask(line))
        flight.deadline = begun + 2 * self._seconds
        self._metrics.count("queued")
        try:
            async with asyncio.timeout(self._seconds):
                lost = not await turn
        except TimeoutError:
            lost = True
        finally:
            line.waiting.pop(flight.request_id, None)
        now = self._loop.time()
        waited = int((now - begun) * 1000)
        if lost:
            raise errors.overloaded(
                _pause(line.gap, flight.place),
                waited_ms=waited,
                place=flight.place,
                estimate_ms=estimate(line.gap, flight.place),
            )
        flight.waits, flight.deadline = False, now + self._first_byte_seconds
        return waited

    async def _ask(self, line: _Line) -> None:
        """Until nobody waits here any more."""
        try:
            while line.waiting:
                line.stir.clear()
                try:
                    await self._turn(line)
                except (Unreachable, Answered) as error:
                    log.warning("The queue of %s cannot be asked: %s", line.route.pool, error)
                try:
                    async with asyncio.timeout(_ASK_SECONDS):
                        await line.stir.wait()
                except TimeoutError:
                    pass
        finally:
            line.task = None
            if not line.waiting:
                self._lines.pop(line.route.pool, None)

    async def _turn(self, line: _Line) -> None:
        names = list(line.waiting)
        for start in range(0, len(names), _MOST):
            some = names[start : start + _MOST]
            line.gap, places = await self._limiter.turn(line.route, some)
            for name, place in zip(some, places, strict=True):
                if name not in line.waiting:
                    continue
                flight, turn = line.waiting[name]
                flight.place = max(place, 0)
                if place <= 0 and not turn.done():
                    turn.set_result(place == 0)


def estimate(gap: int, place: int) -> int | None:
    """Milliseconds until this place's turn, as places became free lately; None when nothing is known."""
    return gap * place if gap >= 0 and place else None


def _pause(gap: int, place: int) -> int:
    """When to come again: what is estimated, between one second and thirty."""
    return min(max(estimate(gap, place) or 2000, 1000), 30_000)
