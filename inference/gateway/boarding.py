"""Finds an engine that answers: the best one first, and another while the client has seen nothing.

Each attempt carries the same request id, and from the second on its number (`req-….2`), so that every engine's log
names the one reservation that pays for all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import orjson

from inference.contract import Backend
from inference.gateway import answers, errors, request
from inference.gateway.config import Settings
from inference.gateway.flights import SILENT, Flight
from inference.gateway.health import ERRED, UNANSWERED
from inference.gateway.pool import Pool
from inference.gateway.request import Demand
from inference.gateway.upstream import Broken, Exchange, Unanswered, Upstream

PATHS: Final = {
    "completions": "/v1/completions",
    "chat.completions": "/v1/chat/completions",
    "embeddings": "/v1/embeddings",
}
_ENGINE_ERROR_BYTES: Final = 256 * 1024
_MESSAGES: Final = 2
"""Of a chat, what comes before the second answer: the same in every turn of one conversation."""
_TEXT, _IDS = 2048, 512
"""Of a prompt, how many characters or token ids count as its beginning."""


@dataclass(slots=True)
class _Trip:
    """The attempts of one flight so far; `stale` are engines whose pooled connection had been closed."""

    flight: Flight
    body: bytes
    attempt: int = 0
    busy: bool = False
    broke: bool = False
    tried: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The request id as the engine sees it."""
        own = self.flight.request_id
        return own if self.attempt == 1 else f"{own}.{self.attempt}"


class Boarding:
    """The way of a flight to its engine."""

    def __init__(self, settings: Settings, pool: Pool, upstream: Upstream) -> None:
        self._settings, self._pool, self._upstream = settings, pool, upstream
        self._loop = asyncio.get_running_loop()

    async def open(self, flight: Flight) -> tuple[Exchange, bytes]:
        """The answer's beginning, and of a stream its first bytes, of any other all. Raises a refusal when no engine
        gives one."""
        route, demand = flight.right.route, flight.demand
        salt = flight.right.identity.principal.cache_salt
        affinity = beginning(demand, salt) if len(route.backends) > 1 else b""
        trip = _Trip(flight, request.forwarded(demand, route, salt))
        while backend := self._pool.choose(route, trip.tried, affinity):
            self._board(flight, backend)
            exchange = await self._try(trip, backend)
            if exchange is None:
                continue
            if exchange.status != 200:
                await self._refused(trip, backend, exchange)
                continue
            first = await (self._first if demand.stream else self._whole)(trip, backend, exchange)
            if first is not None:
                self._pool.of(backend).answered()
                return exchange, first
        if trip.busy:
            raise errors.overloaded(2000)
        if trip.broke:
            raise errors.engine_failed("The engine broke off its answer.")
        raise errors.unavailable(
            f"No engine of {route.model} answers at present. Try again shortly.", milliseconds=5000
        )

    async def _try(self, trip: _Trip, backend: Backend) -> Exchange | None:
        """The status line, or None where another attempt should be made."""
        trip.attempt += 1
        path = PATHS[trip.flight.demand.endpoint]
        try:
            return await self._upstream.open(backend.url, path, trip.body, trip.name)
        except Unanswered as error:
            if error.stale and backend.url not in trip.stale:
                trip.stale.add(backend.url)
            else:
                self._failed(trip, backend)
        except asyncio.CancelledError:
            self._spare(trip, backend)
        return None

    async def _first(self, trip: _Trip, backend: Backend, exchange: Exchange) -> bytes | None:
        """The first bytes of a stream, or None where another engine should be tried: the client has seen nothing."""
        try:
            if first := await exchange.read():
                return first
        except Broken:
            pass
        except asyncio.CancelledError:
            exchange.abort()
            self._spare(trip, backend)
            return None
        exchange.abort()
        self._failed(trip, backend)
        return None

    async def _whole(self, trip: _Trip, backend: Backend, exchange: Exchange) -> bytes | None:
        """The body of an answer that is not streamed, or None where it broke off: its client has seen nothing either."""
        try:
            return await exchange.body(self._settings.answer_bytes)
        except Broken:
            self._pool.failed(backend, ERRED)
            trip.tried.add(backend.url)
            trip.broke = True
            return None
        finally:
            exchange.abort()

    def _spare(self, trip: _Trip, backend: Backend) -> None:
        """The flight was cut. Where it was for the engine's silence and there is another engine, let it go on."""
        flight = trip.flight
        if flight.verdict == SILENT:
            self._failed(trip, backend)
        if flight.verdict != SILENT or self._pool.choose(flight.right.route, trip.tried) is None:
            raise asyncio.CancelledError
        if flight.task:
            flight.task.uncancel()
        flight.verdict, flight.deadline = "", self._loop.time() + self._settings.first_byte_seconds

    def _failed(self, trip: _Trip, backend: Backend) -> None:
        self._pool.failed(backend, UNANSWERED)
        trip.tried.add(backend.url)

    async def _refused(self, trip: _Trip, backend: Backend, exchange: Exchange) -> None:
        """Raise the engine's refusal where it is the client's to hear; return where another engine may do better."""
        try:
            body = await exchange.body(_ENGINE_ERROR_BYTES)
        except Broken:
            body = b""
        finally:
            exchange.abort()
        if exchange.status < 500:
            self._pool.of(backend).answered()
            raise answers.from_engine(exchange.status, body)
        self._pool.failed(backend, ERRED)
        trip.tried.add(backend.url)
        trip.busy = trip.busy or exchange.status == 503

    def _board(self, flight: Flight, backend: Backend) -> None:
        if flight.backend:
            self._pool.give(flight.backend, flight.aboard)
        flight.backend, flight.aboard = backend, flight.demand.tokens
        self._pool.take(backend, flight.aboard)


def beginning(demand: Demand, salt: str) -> bytes:
    """A key for requests of one project that begin alike, as an engine's prefix cache would find them."""
    body = demand.body
    if demand.endpoint == "chat.completions":
        first: object = body["messages"][:_MESSAGES]
    else:
        prompt = demand.prompt
        one = prompt[0] if isinstance(prompt, list) and not isinstance(prompt[0], int) else prompt
        first = one[:_TEXT] if isinstance(one, str) else one[:_IDS]
    return blake2b(orjson.dumps((salt, demand.model, first)), digest_size=16).digest()
