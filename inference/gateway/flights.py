"""Requests in flight: their progress, what may end them, and the heartbeat that keeps their leases."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from inference.contract import Backend
from inference.gateway.auth import Authenticator
from inference.gateway.errors import Refusal
from inference.gateway.limits import Limiter, Outcome, Pulse
from inference.gateway.request import Demand
from inference.gateway.rights import Right, right_for
from inference.gateway.sse import Meter
from inference.gateway.wire import Answered, Unreachable

log = logging.getLogger("weighbridge.gateway")

_BATCH: Final = 500
"""Requests in one heartbeat call: a longer script would make others wait."""
GONE, REVOKED, SILENT, LOST = "client_abort", "revoked", "silent", "lost"
STATUS: Final = {GONE: "client_abort", REVOKED: "revoked", SILENT: "upstream_error", LOST: "lost"}
"""Why a flight is cut → its status in the ledger."""


@dataclass(slots=True, eq=False)
class Flight:
    """One admitted request, from its reservation to its settlement."""

    request_id: str
    right: Right
    demand: Demand
    started_at: int
    born: float
    deadline: float
    """Loop time at which silence is too long; moved on by every sign of life."""
    task: asyncio.Task[None] | None = None
    meter: Meter | None = None
    backend: Backend | None = None
    aboard: int = 0
    """Tokens that are counted as outstanding at the backend: the demand's may be counted anew while it is there."""
    first_byte_at: int = 0
    counts: tuple[int, int, int] = (0, 0, 0)
    fingerprint: str = ""
    verdict: str = ""
    landed: bool = False
    waits: bool = False
    """For a place at the pool; nothing has been used yet."""
    place: int = 0
    """In the queue, counted from 1, as it was last heard."""

    def cut(self, verdict: str) -> None:
        """End it: the task sees a cancellation. Does nothing when it has landed or was cut before."""
        if not self.landed and not self.verdict:
            self.verdict = verdict
            if self.task:
                self.task.cancel()

    def heard(self, now: float) -> None:
        """Note the first byte from the engine."""
        if not self.first_byte_at:
            self.first_byte_at = self.started_at + int((now - self.born) * 1000)

    def outcome(self, status: str) -> Outcome:
        """What is known so far. A row of a batch is billed whole or not at all: see rows.py."""
        if status not in {"", "ok"} and self.right.identity.principal.batch:
            return Outcome("refused")
        meter = self.meter
        counts = meter.counts if meter else self.counts
        fingerprint = meter.fingerprint if meter else self.fingerprint
        return Outcome(status, *counts, self.first_byte_at, self.backend.name if self.backend else "", fingerprint)


class Flights:
    """All flights of this process."""

    def __init__(self, limiter: Limiter, auth: Authenticator, *, lease_ms: int, largest: int) -> None:
        self._limiter, self._auth = limiter, auth
        self._lease_seconds, self._largest = lease_ms / 1000, largest
        self._aloft: dict[str, Flight] = {}
        self._verified = 0.0
        self._checks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._aloft)

    def add(self, flight: Flight) -> None:
        """From now on its lease is renewed."""
        self._aloft[flight.request_id] = flight

    def remove(self, flight: Flight) -> None:
        """It has landed."""
        flight.landed = True
        self._aloft.pop(flight.request_id, None)

    async def beat(self) -> None:
        """Cut what is silent, renew all leases, cut those whose rights ended. A store that is gone ends all in time."""
        now = asyncio.get_running_loop().time()
        aloft = list(self._aloft.values())
        for flight in aloft:
            if now > flight.deadline:
                flight.cut(SILENT)
        try:
            for start in range(0, len(aloft), _BATCH):
                await self._renew(aloft[start : start + _BATCH])
            self._verified = now
        except (Unreachable, Answered):
            log.warning("The heartbeat of %d requests failed.", len(aloft))
            for flight in aloft:
                if now - max(self._verified, flight.born) > self._lease_seconds:
                    flight.cut(SILENT)

    async def _renew(self, flights: list[Flight]) -> None:
        pulses = [Pulse(flight.request_id, flight.right, flight.outcome("")) for flight in flights]
        for request_id, why in (await self._limiter.beat(pulses)).items():
            flight = self._aloft.get(request_id)
            if flight is None:
                continue
            if why == "stale":
                check = asyncio.ensure_future(self._recheck(flight))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)
            else:
                flight.cut(LOST if why == "settled" else REVOKED)

    async def _recheck(self, flight: Flight) -> None:
        """A right of this principal changed, perhaps for the better: ask, and go on or cut."""
        right = flight.right
        try:
            identity = await self._auth.renew(right.identity.digest, afresh=True)
        except Refusal:
            flight.cut(REVOKED)
            return
        renewed = right_for(identity, right.route, largest=self._largest)
        if renewed is None:
            flight.cut(REVOKED)
        else:
            flight.right = renewed
