"""Which engine serves a request: routes as the control plane publishes them, health as this process sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import blake2b
from typing import Final

from inference import contract
from inference.contract import Backend, Route
from inference.gateway.asgi import Headers
from inference.gateway.health import Health, load_in
from inference.gateway.upstream import Upstream
from inference.gateway.wire import Wire

log = logging.getLogger("weighbridge.gateway")

REFRESH_SECONDS: Final = 0.5
PROBE_SECONDS: Final = 1.0
"""How often an ejected server's pause is looked at; servers in use are asked every other time."""
_PATIENCE_SECONDS: Final = 2.0
_CROWDED: Final = 1.25
"""A server with more than this share of the mean of outstanding tokens gets nothing for the sake of its cache."""


class Pool:
    """Routes and servers. State is this process's own; the limits that must be exact live in Redis."""

    def __init__(self, wire: Wire, upstream: Upstream) -> None:
        self._wire = wire
        self._upstream = upstream
        self._raw: dict[bytes, bytes] = {}
        self.health: dict[str, Health] = {}
        """By URL."""
        self.routes: dict[str, Route] = {}
        """By every name that the models served have or had."""
        self._spelt: dict[str, Route] = {}
        self._turn = 0

    def named(self, name: str) -> Route | None:
        """The route of the model that has this name or had it, in any spelling."""
        return self.routes.get(name) or self._spelt.get(contract.spelt_once(name))

    async def learn(self, name: str) -> None:
        """Read ROUTES again where the one of this name differs from what is known. Who is refused is charged nothing, so that
        a refusal must not cost more the more models there are. Raises wire.Unreachable.
        """
        known = self.named(name)
        names = sorted({name, known.model} if known else {name})
        texts = await self._wire.call("HMGET", contract.ROUTES, *names)
        if texts != [self._raw.get(each.encode()) for each in names]:
            await self.refresh()

    async def refresh(self) -> None:
        """Read ROUTES; a route that did not change keeps its object. Raises wire.Unreachable."""
        flat = await self._wire.call("HGETALL", contract.ROUTES)
        raw = dict(zip(flat[::2], flat[1::2], strict=True))
        if raw == self._raw:
            return
        routes = {}
        for name, text in raw.items():
            known = self.routes.get(name.decode())
            same = known is not None and self._raw.get(name) == text
            route = known if same else Route.from_json(text)
            if route is not None:
                routes[name.decode()] = route
        # A former name leads to the very route of the present one: what is prepared for one serves both.
        self._raw, self.routes = raw, {name: routes.get(route.model, route) for name, route in routes.items()}
        self._spelt = {contract.spelt_once(name): route for name, route in self.routes.items()}

    def choose(self, route: Route, tried: set[str], affinity: bytes = b"") -> Backend | None:
        """The untried server that fits best; an ejected one only where no other is left, so the last is never ejected.

        With `affinity`, requests of the same beginning meet the same server, where their prefix is cached, as long as
        it is not crowded; otherwise the server with the fewest outstanding tokens.
        """
        left = [one for one in route.backends if one.url not in tried and not one.draining]
        if len(left) <= 1:
            return left[0] if left else None
        fit = [one for one in left if self.of(one).open] or left
        if affinity and len(fit) > 1:
            bound = _CROWDED * sum(self.of(one).tokens for one in fit) / len(fit)
            fit = [one for one in fit if self.of(one).tokens <= bound]
            return max(fit, key=lambda one: _weight(one, affinity))
        return min(fit, key=lambda one: self.of(one).tokens)

    def of(self, backend: Backend) -> Health:
        """What is known of a server."""
        health = self.health.get(backend.url)
        if health is None:
            health = self.health[backend.url] = Health()
        return health

    def take(self, backend: Backend, tokens: int) -> None:
        """Count these tokens as outstanding at the server; give() takes them off again."""
        self.of(backend).outstanding += tokens

    def give(self, backend: Backend, tokens: int) -> None:
        """The counterpart of take()."""
        self.of(backend).outstanding -= tokens

    def failed(self, backend: Backend, strikes: int) -> None:
        """The server failed a request; `strikes` as health.py weighs it."""
        if self.of(backend).failed(asyncio.get_running_loop().time(), strikes):
            log.warning("%s is ejected until it answers /health again.", backend.name)

    def headers(self, backend: Backend, fingerprint: str = "") -> Headers:
        """The engine's fingerprint, as it gives it now or gave it last."""
        health = self.of(backend)
        if fingerprint:
            health.fingerprint = fingerprint.encode("ascii", "replace")
        return [(b"weighbridge-fingerprint", health.fingerprint)] if health.fingerprint else []

    def last_known(self, route: Route) -> Headers:
        """The same where no server of the route was asked: as one of them gave it last."""
        return next((known for one in route.backends if (known := self.headers(one))), [])

    async def probe(self) -> None:
        """Ask the servers that are due for their health and load, all at once; forget those that no route names."""
        self._turn += 1
        backends = self.backends()
        now = asyncio.get_running_loop().time()
        due = [one for one in backends.values() if self._due(self.of(one), now)]
        await asyncio.gather(*(self._ask(one) for one in due))
        for url in self.health.keys() - backends.keys():
            if not self.health[url].outstanding:
                del self.health[url]

    def backends(self) -> dict[str, Backend]:
        """Every server of every route and canary, by URL."""
        canaries = [route.canary for route in self.routes.values() if route.canary is not None]
        return {one.url: one for route in (*self.routes.values(), *canaries) for one in route.backends}

    def ejected(self) -> int:
        """How many servers are ejected."""
        return sum(health.ejected for health in self.health.values())

    def gauges(self) -> dict[str, Callable[[], Iterable[tuple[str, float]]]]:
        """For the metrics: each server's state and load."""
        read: dict[str, Callable[[Health], float]] = {
            "backend_ejected": lambda one: one.ejected,
            "backend_outstanding_tokens": lambda one: one.outstanding,
            "backend_running": lambda one: one.load.running,
            "backend_waiting": lambda one: one.load.waiting,
            "backend_kv_cache": lambda one: one.load.cache,
        }

        def samples(of: Callable[[Health], float]) -> Iterable[tuple[str, float]]:
            return [(f'backend="{one.name}"', of(self.of(one))) for one in self.backends().values()]

        return {name: partial(samples, of) for name, of in read.items()}

    def _due(self, health: Health, now: float) -> bool:
        return now >= health.probe_at if health.ejected else self._turn % 2 == 0

    async def _ask(self, backend: Backend) -> None:
        well = await self._upstream.get(backend.url, "/health", _PATIENCE_SECONDS) is not None
        health = self.of(backend)
        if health.probed(asyncio.get_running_loop().time(), well=well):
            log.warning("%s is ejected: it does not answer /health.", backend.name)
        if well and (page := await self._upstream.get(backend.url, "/metrics", _PATIENCE_SECONDS)):
            health.load = load_in(page)


def _weight(backend: Backend, affinity: bytes) -> bytes:
    """Rendezvous hashing: each server draws for the key, the highest has it; a server that goes moves only its own."""
    return blake2b(backend.url.encode(), key=affinity, digest_size=8).digest()
