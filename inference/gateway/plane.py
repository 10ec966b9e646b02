"""The parts of the gateway, put together once per event loop, and the loops that keep them fresh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from inference.gateway import limits, metrics
from inference.gateway.admission import Admission
from inference.gateway.auth import Authenticator
from inference.gateway.boarding import Boarding
from inference.gateway.config import Settings
from inference.gateway.content import Keeper
from inference.gateway.flights import Flights
from inference.gateway.http1 import Http1Upstream
from inference.gateway.introspection import Introspector
from inference.gateway.metrics import Metrics
from inference.gateway.pool import PROBE_SECONDS, REFRESH_SECONDS, Pool
from inference.gateway.proxy import Proxy
from inference.gateway.queue import Queue
from inference.gateway.reports import Reports
from inference.gateway.tallies import Tallies
from inference.gateway.upstream import AiohttpUpstream, Upstream
from inference.gateway.wire import Answered, Unreachable, Wire

log = logging.getLogger("weighbridge.gateway")

_REAP = 100


class Plane:
    """Everything that lives as long as the process. Must be made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.wire = Wire(settings.redis_url, scripts=limits.SCRIPTS, patience=settings.redis_seconds)
        client = AiohttpUpstream if settings.engine_client == "aiohttp" else Http1Upstream
        self.upstream: Upstream = client(connect_seconds=settings.connect_seconds)
        self.introspector = Introspector(settings.internal_url, settings.internal_secret)
        self.limiter = limits.Limiter(self.wire, lease_ms=settings.lease_ms, queue_length=settings.queue_length)
        self.tallies = Tallies(self.wire, secret=settings.internal_secret, proxies=settings.trusted_proxies)
        self.keeper = Keeper(self.introspector, self.metrics)
        self.auth = Authenticator(self.wire, self.introspector)
        self.pool = Pool(self.wire, self.upstream)
        self.flights = Flights(self.limiter, self.auth, lease_ms=settings.lease_ms, largest=settings.largest_request)
        self.admission = Admission(settings, self.auth, self.limiter, self.pool, self.upstream)
        boarding = Boarding(settings, self.pool, self.upstream)
        self.queue = Queue(
            self.limiter, self.metrics, seconds=settings.queue_seconds, first_byte_seconds=settings.first_byte_seconds
        )
        self.proxy = Proxy(
            settings, self.limiter, self.pool, boarding, self.flights, self.admission, self.queue, self.metrics
        )
        self.metrics.gauges = {
            "in_flight": self.flights.__len__,
            "in_queue": self.queue.__len__,
            "backends_ejected": self.pool.ejected,
        }
        self.metrics.labelled = self.pool.gauges()
        self.reports = Reports(self.wire, self.pool)
        self._loops: list[asyncio.Task[None]] = []
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Read the routes and start the loops. A Redis that is away is no reason to fail: requests get 503 till then."""
        every = self.settings.heartbeat_seconds
        work: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (REFRESH_SECONDS, self.pool.refresh),
            (every, self.flights.beat),
            (min(every, PROBE_SECONDS), self.pool.probe),
            (every, self.reports.exchange),
            (every, self._reap),
            (every, self.tallies.put),
            (REFRESH_SECONDS, self.proxy.pay),
            (REFRESH_SECONDS, self.keeper.hand_over),
        )
        try:
            await self.pool.refresh()
        except (Unreachable, Answered):
            log.warning("Redis cannot be reached; until it can, every request is answered 503.")
        self._loops = [asyncio.ensure_future(_repeat(pause, step)) for pause, step in work]
        if self.settings.metrics:
            self._listener = await metrics.serve(self.metrics, self.settings.metrics)

    async def stop(self) -> None:
        """End the loops and close every connection."""
        for loop in self._loops:
            loop.cancel()
        if self._listener:
            self._listener.close()
        await self.keeper.hand_over()
        await self.introspector.close()
        await self.upstream.close()
        self.wire.close()

    async def _reap(self) -> None:
        reaped = await self.limiter.reap(most=_REAP)
        if reaped:
            self.metrics.count("reaped", by=reaped)
            log.warning("Settled %d requests whose gateway died.", reaped)


async def _repeat(pause: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do it for ever; a step that fails is logged and tried again."""
    while True:
        await asyncio.sleep(pause)
        try:
            await step()
        except (Unreachable, Answered) as error:
            log.warning("%s: %s", getattr(step, "__qualname__", "step"), error)
        except Exception:
            log.exception("A step of the gateway's housekeeping failed.")
