"""Carries one admitted request to an engine and its answer back, and settles it whatever happens.

The answer's last frame is sent only after the settlement: a client that waits for one answer before it asks again must
never meet its own reservation, and an answer that was seen whole is always in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import Final

from inference.gateway import answers, errors
from inference.gateway.admission import Admission
from inference.gateway.boarding import Boarding
from inference.gateway.call import Call
from inference.gateway.config import Settings
from inference.gateway.errors import Refusal
from inference.gateway.flights import GONE, REVOKED, SILENT, STATUS, Flight, Flights
from inference.gateway.health import ERRED, UNANSWERED
from inference.gateway.limits import Limiter, Outcome
from inference.gateway.metrics import Metrics
from inference.gateway.pool import Pool
from inference.gateway.queue import Queue
from inference.gateway.relay import Relay
from inference.gateway.sse import EventTooLong, Meter, fingerprint_of, usage_of
from inference.gateway.upstream import Broken, Exchange
from inference.gateway.wire import Answered, Unreachable

log = logging.getLogger("weighbridge.gateway")

_FAREWELL_SECONDS: Final = 2.0


class Proxy:
    """The middle of the plane: flights go through here."""

    def __init__(
        self,
        settings: Settings,
        limiter: Limiter,
        pool: Pool,
        boarding: Boarding,
        flights: Flights,
        admission: Admission,
        queue: Queue,
        metrics: Metrics,
    ) -> None:
        self._settings, self._limiter, self._pool, self._boarding = settings, limiter, pool, boarding
        self._flights, self._admission, self._queue, self._metrics = flights, admission, queue, metrics
        self._owed: deque[tuple[str, Outcome, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    async def fly(self, flight: Flight, call: Call) -> None:
        """Serve the flight. Raises a refusal when the engine gave no answer; the flight is settled in every case."""
        flight.task = asyncio.current_task()
        self._flights.add(flight)
        call.when_gone(partial(flight.cut, GONE))
        try:
            if flight.waits:
                waited = await self._queue.wait(flight)
                call.headers.append((b"weighbridge-queued-ms", b"%d" % waited))
            await (self._stream if flight.demand.stream else self._answer)(flight, call)
        except asyncio.CancelledError:
            if not flight.verdict:  # the server is stopping
                await asyncio.shield(self._settle(flight, "upstream_error"))
                raise
            if flight.task:
                flight.task.uncancel()
            await self._cut(flight, call)
        except Refusal as refusal:
            await self._settle(flight, "refused" if refusal.status < 500 else "upstream_error")
            raise
        finally:
            call.when_gone(None)
            self._flights.remove(flight)
            if flight.backend:
                self._pool.give(flight.backend, flight.aboard)

    async def pay(self) -> None:
        """Settle what could not be settled while Redis was away. Raises wire.Unreachable."""
        while self._owed:
            await self._limiter.settle(*self._owed[0])
            self._owed.popleft()

    async def _answer(self, flight: Flight, call: Call) -> None:
        _, body = await self._boarding.open(flight)
        flight.heard(self._loop.time())
        counts = usage_of(body)
        if counts is None:
            raise errors.engine_failed("The engine's answer had no usage report.")
        flight.counts, flight.fingerprint = counts, fingerprint_of(body)
        row = bool(flight.right.identity.principal.batch)
        billed = await self._settle(flight, "ok", body if row else b"")
        if row and not billed:
            raise errors.unavailable("This row's answer is not billed yet. Send it again.")
        if flight.backend:
            call.headers += self._pool.headers(flight.backend, flight.fingerprint)
        await call.pass_on(body)

    async def _stream(self, flight: Flight, call: Call) -> None:
        exchange, first = await self._boarding.open(flight)
        demand = flight.demand
        flight.meter = Meter(
            choices=demand.choices * demand.prompts,
            per_prompt=demand.choices,
            keep_final=demand.wants_usage,
            keep_field=demand.wants_continuous,
        )
        try:
            await self._relay(flight, flight.meter, exchange, first, call)
        except (Broken, EventTooLong):
            await self._fail(flight, call)
        finally:
            exchange.abort()

    async def _relay(self, flight: Flight, meter: Meter, exchange: Exchange, first: bytes, call: Call) -> None:
        relay = Relay(flight, meter, exchange, call, self._settings)
        await relay.begin(first, self._pool.headers(flight.backend) if flight.backend else [])
        last = await relay.run()
        if flight.backend:
            self._pool.headers(flight.backend, meter.fingerprint)
        await self._settle(flight, "upstream_error" if meter.failed else "ok")
        await call.events(last, last=True)
        await self._finish(exchange)

    async def _finish(self, exchange: Exchange) -> None:
        """Read the end of the answer, so that the connection can be used again."""
        if exchange.complete:
            return
        try:
            async with asyncio.timeout(0.1):
                await exchange.read()
        except (TimeoutError, Broken):
            pass

    async def _fail(self, flight: Flight, call: Call) -> None:
        """The engine broke off in the middle: say so in the stream, bill what came."""
        if flight.backend:
            self._pool.failed(flight.backend, UNANSWERED)
        await self._settle(flight, "upstream_error")
        text = "The engine broke off. What came before is billed; you may ask again."
        if not call.started:
            raise errors.engine_failed(text)
        await call.events(answers.error_events("upstream_error", text), last=True)

    async def _cut(self, flight: Flight, call: Call) -> None:
        """The client left, the right ended, or the engine fell silent. The engine's connection is closed by now."""
        if flight.verdict == SILENT and flight.backend and flight.first_byte_at:
            self._pool.failed(flight.backend, ERRED)
        if flight.verdict == GONE and not flight.demand.stream:
            flight.counts = (await self._prompt_of(flight), 0, 0)
        await self._settle(flight, STATUS[flight.verdict])
        if flight.verdict == GONE:
            return
        refusal = _farewell(flight)
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if call.started:
                    await call.events(answers.error_events(refusal.code, refusal.message), last=True)
                else:
                    call.headers += self._pool.last_known(flight.right.route)
                    await call.refuse(refusal)
        except TimeoutError:
            log.info("%s: the client does not read; left.", flight.request_id)

    async def _prompt_of(self, flight: Flight) -> int:
        """Prompt tokens of an answer that nobody waited for. No more is known of it, so no more is charged."""
        demand = flight.demand
        if flight.backend is None:
            return 0
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if not demand.exact:
                    await self._admission.count(flight.right.route, demand)
        except (Refusal, TimeoutError):
            return 0
        return demand.prompt_tokens

    async def _settle(self, flight: Flight, status: str, answer: bytes = b"") -> bool:
        """Once per flight; when Redis is away it is owed and paid later. Returns whether it is booked by now."""
        if flight.landed:
            return False
        self._flights.remove(flight)
        outcome = flight.outcome("refused" if flight.waits else status)
        self._metrics.count("requests", outcome.status)
        self._metrics.count("tokens", "prompt", outcome.prompt_tokens)
        self._metrics.count("tokens", "completion", outcome.completion_tokens)
        try:
            over = await self._limiter.settle(flight.request_id, outcome, answer)
        except (Unreachable, Answered):
            self._owed.append((flight.request_id, outcome, answer))
            return False
        self._queue.freed(flight.right.route.pool)
        if over is None:
            self._metrics.count("unsettled")
        elif over > 0:
            self._metrics.count("over_reservation")
            log.error("%s used %d tokens more than it had reserved.", flight.request_id, over)
        return over is not None


def _farewell(flight: Flight) -> Refusal:
    if flight.verdict == REVOKED:
        return Refusal(403, "access_revoked", "Your right to query this model has ended.", kind="permission_error")
    if flight.waits:
        return errors.unavailable("The limits store does not answer. Nothing was used; try again.")
    return Refusal(504, "timeout", "The engine was silent for too long.", kind="server_error")
