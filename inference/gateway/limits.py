"""Admission, queue, heartbeat, settlement: scripts over one Redis, each one round trip.

**Reservation.** `admit` checks every scope and only then writes: requests and tokens per minute (GCRA), concurrency,
tokens per day and per period. It reserves an upper bound and leaves a lease, a hash with all that is needed to settle
the request without its gateway. `settle` puts exact usage in place of the bound and appends to the ledger's stream in
the same step; it finds the lease or does nothing, so it is safe to repeat. `reap` settles what nobody renews.

**Queue.** Where a pool has no place left, `admit` reserves all else and lets the request wait, in one step. `turn` gives
free places to whoever is next, of whatever gateway, and tells each gateway how its own stand.

**GCRA.** One number per scope and quantity: the time at which the bucket would be full again. A limit L per minute is
a burst b and a refill of L - b, so that no minute, wherever it begins, sees more than L. A reservation drains while its
request lasts; settlement gives back what is left of it, since what has drained made room for others already.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from inference import contract
from inference.contract import Route
from inference.gateway.counters import counter_key
from inference.gateway.rights import Right, queue_key
from inference.gateway.wire import Argument, Reply, Script, Wire, packed

_FOLDER: Final = Path(__file__).parent / "scripts"
_LEASE_PREFIX: Final = contract.lease_key("")
_REAPED_KEYS: Final = (contract.LEASES, contract.USAGE_STREAM, contract.REAPED)
KEPT_BYTES: Final = 1 << 20
"""Largest answer of a row that is kept; a larger one is asked for again when its worker dies, and billed once."""


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


COUNTER: Final = _text("counter")
"""How a script reads and writes a counter, for those that others write."""
_COMMON: Final = COUNTER + _text("queue") + _text("common")


def _script(name: str) -> Script:
    return Script(_COMMON + _text(name))


def _freeing(name: str) -> Script:
    """One that a full store runs all the same: what has been admitted ends and is billed, and that is what makes room."""
    return Script(contract.WHEN_FULL + _COMMON + _text(name))


ADMIT: Final = _script("admit")
ADMIT_ONCE: Final = Script(f"{_COMMON}local function admission()\n{_text('admit')}end\n{_text('once')}")
SETTLE: Final = _freeing("settle")
HEARTBEAT: Final = _freeing("heartbeat")
REAP: Final = _freeing("reap")
ALIVE: Final = _script("alive")
TURN: Final = _freeing("turn")
LOOK: Final = _script("look")
SCRIPTS: Final = (ADMIT, ADMIT_ONCE, SETTLE, HEARTBEAT, REAP, ALIVE, TURN, LOOK)


class Rates(NamedTuple):
    """Of the tightest scope of the caller's own; limit -1 where nothing limits. Resets in ms."""

    request_limit: int
    request_remaining: int
    request_reset: int
    token_limit: int
    token_remaining: int
    token_reset: int


class Admitted(NamedTuple):
    """Reserved; `now` is the store's clock in ms. `waits`: all but a place at the pool, for which it queues."""

    now: int
    rates: Rates
    waits: bool = False


class Refused(NamedTuple):
    """Over a limit. `kind`: requests, tokens, size, day, period, concurrency or queue; `room`: tokens that would still pass."""

    scope: str
    limits: contract.Limits
    kind: str
    wait_ms: int
    room: int
    rates: Rates


class Standing(NamedTuple):
    """A pool's queue at one moment. `gap`: ms between two places that became free lately, -1 when nothing is known."""

    running: int
    waiting: dict[str, int]
    gap: int
    own: list[tuple[str, str, int, int]]
    """Of the project's waiting requests: request id, class, place counted from 1, ms waited."""


class Lapsed(NamedTuple):
    """The right ended (revoked, expired); or it must be looked up again, in Redis (changed) or behind it (stale)."""

    why: str


class Claim(NamedTuple):
    """An idempotency key: the record of it, the digest of the request that came with it, and how long it is kept."""

    record: str
    asked: str
    kept_ms: int


class Taken(NamedTuple):
    """The key has been used. `how`: other (for another request), running, finished; by which request."""

    how: str
    request_id: str


class Outcome(NamedTuple):
    """How a request ended, for the ledger. `status` as in contract.UsageEvent, or `refused`: refund, and no entry."""

    status: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    first_byte_at: int = 0
    backend: str = ""
    fingerprint: str = ""


class Pulse(NamedTuple):
    """One request in flight, as a heartbeat reports it."""

    request_id: str
    right: Right
    outcome: Outcome


class Store(Protocol):
    """What `reap` needs of a synchronous client; redis.Redis has it."""

    def execute_command(self, *args: Argument) -> Reply:
        """Send one command."""


class Limiter:
    """The scripts, bound to a connection. Raises wire.Unreachable and wire.Answered."""

    def __init__(self, wire: Wire, *, lease_ms: int, queue_length: int = 512) -> None:
        self._wire, self._lease_ms = wire, lease_ms
        self._terms = packed(lease_ms, queue_length, _LEASE_PREFIX)

    async def admit(
        self,
        request_id: str,
        right: Right,
        *,
        tokens: int,
        requests: int = 1,
        endpoint: str = "",
        stream: bool = False,
        parameters: str = "",
        rank: int = 0,
        claim: Claim | None = None,
    ) -> Admitted | Refused | Lapsed | Taken:
        """Reserve `tokens` in every scope of the right, or say which scope refuses. With a claim, once for its key.

        `rank`: the class in which it waits where the pool is full, counted from 1; 0: it does not wait.
        """
        script, record, last = (ADMIT_ONCE, claim[:1], claim[1:]) if claim else (ADMIT, (), ())
        asked = (request_id, requests, tokens, rank, endpoint, int(stream), parameters)
        own = packed(contract.lease_key(request_id), *record, *asked, *last)
        keys = right.keys.number + 1 + len(record)
        reply = await self._wire.run(script, keys, right.keys, own, self._terms, right.terms)
        if reply[0] > 0:
            return Admitted(reply[1], Rates(*reply[2:8]), waits=reply[0] == 2)
        if reply[0] == -1:
            return Lapsed(reply[1].decode())
        if reply[0] == -2:
            return Taken(reply[1].decode(), reply[2].decode())
        scope = right.scopes[reply[1] - 1]
        return Refused(scope.kind, scope.limits, reply[2].decode(), reply[3], reply[4], Rates(*reply[5:11]))

    async def turn(self, route: Route, request_ids: Sequence[str]) -> tuple[int, list[int]]:
        """Give the pool's free places away; returns ms between two places (-1: unknown) and how each request stands:
        its place in the queue, 0 when it may go, -1 when its reservation is gone."""
        keys = (counter_key("pool", route.pool), queue_key(route.pool), contract.LEASES)
        told = packed(*keys, _LEASE_PREFIX, route.limits.concurrency or 0, *request_ids)
        gap, *places = await self._wire.run(TURN, len(keys), told)
        return gap, places

    async def look(self, route: Route, project_id: str) -> Standing:
        """How the pool's queue stands, and where this project's requests are in it."""
        keys = (counter_key("pool", route.pool), queue_key(route.pool))
        running, *waiting, gap = (reply := await self._wire.run(LOOK, len(keys), packed(*keys, project_id)))[:5]
        own = [
            (reply[i].decode(), contract.CLASSES[reply[i + 1] - 1], reply[i + 2], reply[i + 3])
            for i in range(5, len(reply), 4)
        ]
        return Standing(running, dict(zip(contract.CLASSES, waiting, strict=True)), gap, own)

    async def settle(self, request_id: str, outcome: Outcome, answer: bytes = b"") -> int | None:
        """Settle once; returns used minus reserved tokens, or None when it had been settled before.

        A row's `answer` is kept in the same step, for a worker that may be dead by now, unless it is too large.
        """
        keys: tuple[str, ...] = (contract.lease_key(request_id), contract.LEASES, contract.USAGE_STREAM)
        kept: tuple[Argument, ...] = ()
        if 0 < len(answer) <= KEPT_BYTES:
            keys += (contract.answer_key(request_id),)
            kept = (answer, contract.ANSWER_TTL_MS)
        reply = await self._wire.run(SETTLE, len(keys), packed(*keys, request_id, *outcome, *kept))
        return int(reply[1]) if reply[0] else None

    async def kept(self, request_id: str) -> bytes | None:
        """The answer that was kept for this row, if there is one."""
        answer: bytes | None = await self._wire.call("GET", contract.answer_key(request_id))
        return answer

    async def beat(self, pulses: Sequence[Pulse]) -> dict[str, str]:
        """Renew all leases in one call; returns request id → revoked, expired, stale or settled, where it must end."""
        keys: list[str] = [contract.LEASES]
        arguments: list[Argument] = [self._lease_ms]
        for request_id, right, outcome in pulses:
            keys += (contract.lease_key(request_id), *right.guards)
            arguments += (request_id, *right.generations, right.not_after, *outcome[1:6])
        reply = await self._wire.run(HEARTBEAT, len(keys), packed(*keys, *arguments))
        return {pulses[number - 1].request_id: why.decode() for number, why in reply}

    async def alive(self, guards: Sequence[str], generations: tuple[int, int, int], not_after: int) -> Lapsed | None:
        """Whether the rights behind these guards hold, without taking anything."""
        why = await self._wire.run(ALIVE, len(guards), packed(*guards, *generations, not_after))
        return Lapsed(why.decode()) if why else None

    async def reap(self, *, most: int = 100) -> int:
        """Settle expired leases as `lost`; returns how many."""
        return int(await self._wire.run(REAP, len(_REAPED_KEYS), packed(*_REAPED_KEYS, _LEASE_PREFIX, most)))


def reap(store: Store, *, most: int = 100) -> int:
    """The same for a synchronous client. Any number of processes may call it at once."""
    return int(store.execute_command("EVAL", REAP.source, len(_REAPED_KEYS), *_REAPED_KEYS, _LEASE_PREFIX, most))
