"""Passes one stream from an engine to its client, event by event.

An event is small and there are many: each goes from the engine's socket to the client's within one callback, and no
task wakes for it. The flight's task acts at the two ends, and while the client reads more slowly than the engine writes.
"""

from __future__ import annotations

import asyncio
from typing import Final

from inference.gateway.asgi import Headers
from inference.gateway.call import Call
from inference.gateway.config import Settings
from inference.gateway.flights import Flight
from inference.gateway.sse import EventTooLong, Meter
from inference.gateway.upstream import Broken, Exchange

_UNSAID: Final = "The engine ended the stream without saying so."


class Relay:
    """One stream under way. `begin`, then `run`."""

    __slots__ = ("_call", "_error", "_exchange", "_feed", "_first", "_flight", "_left", "_meter", "_now", "_push",
                 "_settings", "_silence")  # fmt: skip

    def __init__(self, flight: Flight, meter: Meter, exchange: Exchange, call: Call, settings: Settings) -> None:
        self._flight, self._meter, self._exchange, self._call = flight, meter, exchange, call
        self._settings, self._silence = settings, settings.idle_seconds
        self._feed, self._push, self._now = meter.feed, call.push, asyncio.get_running_loop().time
        self._first = self._left = b""
        self._error: EventTooLong | None = None

    async def begin(self, first: bytes, headers: Headers) -> None:
        """The engine's first bytes are here: send status and headers."""
        self._first = first
        self._flight.heard(self._now())
        self._call.headers += headers
        await self._call.begin_stream()

    async def run(self) -> bytes:
        """Pass all on but the events that came with the last one, which are returned. Raises Broken, EventTooLong."""
        free = self._hand_on(self._first)
        while not self._meter.done:
            if not free:
                await self._slowly()
            if not await self._exchange.pour(self._hand_on):
                raise Broken(_UNSAID)
            free = False
        return self._left

    def _hand_on(self, data: bytes) -> bool:
        """False: the stream is at its end, the client reads slowly, or the engine errs; the task has to act."""
        try:
            events = self._feed(data)
        except EventTooLong as error:
            self._error = error
            return False
        if self._meter.done or (events and not self._push(events)):
            self._left = events
            return False
        self._flight.deadline = self._now() + self._silence
        return True

    async def _slowly(self) -> None:
        if self._error is not None:
            raise self._error
        # A slow reader is waited for longer than a silent engine.
        self._flight.deadline = self._now() + self._settings.first_byte_seconds
        await self._call.events(self._left, last=False)
        self._flight.deadline = self._now() + self._silence
