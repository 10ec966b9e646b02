"""Pools and backends as they stand: the data, what the gateways report of it, and the last comparison of the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis

from inference import contract
from inference.contract import Report, Seen
from inference.gateway.counters import counters_of
from inference.gateway.rights import queue_key
from inference.models import Backend, EngineCount, Pool
from portal.counters import client

_WORST: Final = ("ejected", "on trial", "well")
UNKNOWN: Final = "not reported"


@dataclass(frozen=True, slots=True)
class BackendState:
    """`outstanding`: reserved tokens of all gateways. `running`, `waiting`, `cache`: as the engine says itself; None
    where no gateway reports. `drift`: prompt and completion tokens, ledger against engine, when last compared."""

    name: str
    url: str
    engine: str
    draining: bool
    state: str
    outstanding: int
    running: int | None
    waiting: int | None
    cache: float | None
    drift: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class PoolState:
    """`places`: its concurrency, None without a limit; `running` and `queued`: requests by the limits store, None
    where that does not answer. `canary_percent`: 0 for a model's own pool."""

    name: str
    model: str
    revision: str
    context: int
    canary_percent: int
    places: int | None
    running: int | None
    queued: int | None
    backends: list[BackendState]


def states(pools: Sequence[Pool]) -> list[PoolState]:
    """How these pools stand, given with their backends. Neither database nor limits store is asked pool by pool."""
    newest = EngineCount.objects.order_by("backend", "-at").distinct("backend")
    drifts = {count.backend: (count.prompt_drift, count.completion_drift) for count in newest}
    seen = _reports()
    counts = _counts([str(pool) for pool in pools])
    return [_pool(pool, seen, drifts, *count) for pool, count in zip(pools, counts, strict=True)]


def _pool(
    pool: Pool,
    seen: dict[str, list[Seen]],
    drifts: dict[str, tuple[int, int]],
    running: int | None,
    queued: int | None,
) -> PoolState:
    return PoolState(
        name=str(pool),
        model=pool.model.full_name,
        revision=pool.commit,
        context=pool.context,
        canary_percent=pool.canary_percent or 0,
        places=pool.concurrency,
        running=running,
        queued=queued,
        backends=[_backend(one, seen.get(one.url, []), drifts.get(str(one))) for one in pool.backends.all()],
    )


def _backend(backend: Backend, seen: list[Seen], drift: tuple[int, int] | None) -> BackendState:
    words = {one.state for one in seen}
    return BackendState(
        name=str(backend),
        url=backend.url,
        engine=backend.engine,
        draining=backend.draining,
        state=next((word for word in _WORST if word in words), UNKNOWN),
        outstanding=sum(one.outstanding for one in seen),
        running=max((one.running for one in seen), default=None),
        waiting=max((one.waiting for one in seen), default=None),
        cache=max((one.cache for one in seen), default=None),
        drift=drift,
    )


def _reports() -> dict[str, list[Seen]]:
    """What each gateway that is alive sees, by URL."""
    try:
        texts = cast("list[Any]", client().hvals(contract.REPORTS))
    except redis.RedisError:
        return {}
    since = time.time_ns() // 1_000_000 - contract.REPORT_MS
    found: dict[str, list[Seen]] = {}
    for report in (Report.from_json(text) for text in texts):
        if report is not None and report.at >= since:
            for url, seen in report.backends.items():
                found.setdefault(url, []).append(seen)
    return found


def _counts(pools: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Requests that run in each pool and wait for it. Only a pool with a limit counts those that run."""
    try:
        running = counters_of(client(), "pool", pools)
        with client().pipeline(transaction=False) as asked:
            for pool in pools:
                asked.hlen(f"{queue_key(pool)}:who")
            queued = asked.execute()
    except redis.RedisError:
        return [(None, None)] * len(pools)
    return [(counter.running, length) for counter, length in zip(running, queued, strict=True)]
