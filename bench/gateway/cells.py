"""What each proxy is asked to carry, and what one measurement of it says."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from itertools import repeat

from bench.gateway.load import Tally, arrive, drive, quantile
from bench.gateway.stand import Server, Stand, Target

_TEXT = "hello world " * 8 + "#numbered=1 "
"""Numbered: LiteLLM ends a stream that says the same a hundred times."""


@dataclass(frozen=True)
class Cell:
    """One kind of load. `unit` is what the processor time is divided by: answers or events."""

    name: str
    unit: str
    connections: int
    body: dict[str, object]


JSON = Cell("JSON, 1 kB answer, 32 connections", "answers", 32, {"prompt": _TEXT, "max_tokens": 200})
PACED = Cell("stream, paced: 64 × 50 events/s", "events", 64,
             {"prompt": _TEXT + "#itl=20", "max_tokens": 150, "stream": True})  # fmt: skip
BURST = Cell("stream, 128 events at once, 16 connections", "answers", 16,
             {"prompt": _TEXT, "max_tokens": 128, "stream": True})  # fmt: skip
CELLS = (JSON, PACED, BURST)
BESIDE = ("load", "engine", "store")
"""What runs beside a proxy, each a process with one busy thread."""
SHORT = Cell("stream of 4 events, 20 ms apart", "answers", 32,
             {"prompt": _TEXT + "#itl=20", "max_tokens": 4, "stream": True})  # fmt: skip
"""Of the open loop. An answer in one piece would be held back until it is settled, which is not what a stream's reader sees."""


@dataclass
class Sample:
    """One measurement of one target. `store_us`: of the store beside it, for the same unit."""

    cpu_us: float
    store_us: float
    rate: float
    p50_ms: float
    p99_ms: float
    rss_mb: float


@dataclass
class Arrivals:
    """Time to the first byte of a stream in an open loop.

    `busy` is the share of a core that the target used, `beside` that of load, engine and store: together where they
    share a core, of the busiest where each has its own.
    """

    rate: float
    busy: float
    beside: float
    p50_ms: float
    p99_ms: float


class Faulty(Exception):
    """A target answered with errors: its figures would mean nothing."""


def request_of(target: Target, body: dict[str, object]) -> bytes:
    """The same work for all: what the gateway asks of the engine, the others ask themselves."""
    whole = {"model": target.model, **body}
    if body.get("stream") and not target.meters:
        whole["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    data = json.dumps(whole).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {target.token}\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def sample(cell: Cell, target: Target, store: Server, seconds: float) -> Sample:
    """A closed loop for that long. Raises Faulty."""
    server, request = target.server, request_of(target, cell.body)
    connections = max(cell.connections // 8, 1) if target.slow else cell.connections
    before, kept = server.cpu_seconds(), store.cpu_seconds()
    tally = await drive(server.port, repeat(request), connections=connections, seconds=seconds)
    await asyncio.sleep(0.05)
    used, kept = server.cpu_seconds() - before, store.cpu_seconds() - kept
    _healthy(tally, target, cell)
    units = tally.answers if cell.unit == "answers" else tally.events
    return Sample(
        used / units * 1e6, kept / units * 1e6, units / tally.seconds, tally.quantile(0.5), tally.quantile(0.99),
        server.rss_mb(),
    )  # fmt: skip


async def arrivals(running: Stand, target: Target, rate: float, seconds: float, seed: int) -> Arrivals:
    """An open loop of short streams. Raises Faulty."""

    together = sum if len(os.sched_getaffinity(0)) < len(BESIDE) else max

    def used() -> tuple[float, ...]:
        others = time.process_time(), running.engine.cpu_seconds(), running.store.cpu_seconds()
        return target.server.cpu_seconds(), *others

    before = used()
    tally = await arrive(target.server.port, request_of(target, SHORT.body), rate=rate, seconds=seconds, seed=seed)
    busy, *others = ((now - then) / tally.seconds for now, then in zip(used(), before, strict=True))
    _healthy(tally, target, SHORT)
    return Arrivals(rate, busy, together(others), quantile(tally.firsts, 0.5), quantile(tally.firsts, 0.99))


def _healthy(tally: Tally, target: Target, cell: Cell) -> None:
    if tally.errors or not tally.answers:
        raise Faulty(f"{cell.name}, {target.name}: {tally.errors} errors in {tally.answers} answers.")
