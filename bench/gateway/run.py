"""Interleave the gateway and what it is measured beside, cell by cell; print medians as Markdown, and what was promised.

CPU is the processor time of the proxy's own processes, so a busy machine disturbs it little; store and engine run
beside them and are not counted. "direct" has no proxy: only its latency can be shown. BENCH_GATEWAY names the tables
(`cells,latency,held`), BENCH_GATEWAY_ONLY what is measured beside the gateway (`bare relay,vllm-router`).
"""

from __future__ import annotations

import os
import platform
import time
from collections import defaultdict
from math import inf
from statistics import median

import uvloop

from bench.gateway import held
from bench.gateway.cells import BURST, CELLS, JSON, PACED, SHORT, Arrivals, Faulty, Sample, arrivals, sample
from bench.gateway.held import Held
from bench.gateway.promises import Figures, print_promises
from bench.gateway.stand import GATEWAY, Stand, Target, stand

TABLES = tuple(os.environ.get("BENCH_GATEWAY", "cells,latency,held").split(","))
ONLY = tuple(filter(None, os.environ.get("BENCH_GATEWAY_ONLY", "").split(",")))
SHARE = 0.7
"""Of its core, that a proxy is given in the open loop; less where load, engine and store need that much of theirs."""
MOST = 3000.0
"""Arrivals a second."""
Samples = dict[tuple[str, str], list[Sample]]


def main(*, rounds: int, seconds: float, peers: bool = False) -> None:
    """Measure and print."""
    with stand(beside=peers, only=ONLY) as running:
        if ONLY:
            running.targets = [one for one in running.targets if one.name in {"direct", GATEWAY, *ONLY}]
        for reason in running.missing:
            print(f"Left out: {reason}\n")
        print(
            f"Medians of {rounds} interleaved rounds of {seconds:g} s, each proxy on one core; {time.strftime('%Y-%m-%d')}, "
            f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}.\n"
        )
        figures = Figures()
        if "cells" in TABLES:
            _cells(uvloop.run(_measure(running, rounds, seconds)), running, figures)
        if "latency" in TABLES:
            _latency(uvloop.run(_arrivals(running, rounds, seconds)), running, figures)
        if "held" in TABLES:
            _held(running, figures)
        print_promises(figures)
        _audit(running)


async def _measure(running: Stand, rounds: int, seconds: float) -> Samples:
    samples: Samples = defaultdict(list)
    for number in range(-1, rounds):
        for cell in CELLS:
            for target in tuple(running.targets):
                try:
                    taken = await sample(cell, target, running.store, seconds if number >= 0 else 0.5)
                except Faulty as fault:
                    _drop(running, target, fault)
                    continue
                if number >= 0:
                    samples[cell.name, target.name].append(taken)
    return samples


def _drop(running: Stand, target: Target, fault: Faulty) -> None:
    """A peer that fails is left out; that we fail is what the measurement has found."""
    if target.name == GATEWAY:
        raise SystemExit(str(fault))
    print(f"Left out from here: {fault}\n")
    running.targets.remove(target)


def _cells(samples: Samples, running: Stand, figures: Figures) -> None:
    print("| load | through | CPU µs per unit | unit | per second | p50 ms | p99 ms | RSS MB |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for cell in CELLS:
        for target in running.targets:
            mid = _medians(samples[cell.name, target.name])
            cpu = "–" if target.name == "direct" else f"{mid['cpu_us']:.0f}"
            figures.cpu[cell.name, target.name] = mid["cpu_us"]
            print(
                f"| {cell.name} | {target.name} | {cpu} | {cell.unit.removesuffix('s')} | {mid['rate']:.0f} "
                f"| {mid['p50_ms']:.2f} | {mid['p99_ms']:.2f} | {mid['rss_mb']:.0f} |"
            )
    beside = ", ".join(
        f"{_medians(samples[cell.name, GATEWAY])['store_us']:.0f} µs for {what}"
        for cell, what in ((JSON, "a JSON request"), (PACED, "an event"), (BURST, "a burst"))
    )
    print(f"\nBeside the gateway the store used {beside}.\n")


async def _arrivals(running: Stand, rounds: int, seconds: float) -> dict[str, list[tuple[Arrivals, Arrivals]]]:
    """Of each target, pairs: direct at its rate, and through it."""
    direct, *proxies = running.targets
    rates = {target.name: await _rate(target, running) for target in proxies}
    pairs = defaultdict(list)
    for number in range(rounds):
        for target in tuple(proxies):
            rate = rates[target.name]
            try:
                alone = await arrivals(running, direct, rate, seconds / 2, number)
                pairs[target.name].append((alone, await arrivals(running, target, rate, seconds, number)))
            except Faulty as fault:
                proxies.remove(target)
                _drop(running, target, fault)
    return pairs


async def _rate(target: Target, running: Stand) -> float:
    """Arrivals a second that keep it, or all that stands beside it, busy for SHARE of a core: guessed, then mended."""
    rate = min(SHARE * 1e6 / (await sample(SHORT, target, running.store, 1.0)).cpu_us, MOST)
    for _ in range(2):
        seen = await arrivals(running, target, rate, 1.0, 0)
        rate = min(rate * SHARE / max(seen.busy, seen.beside), MOST)
    return rate


def _latency(pairs: dict[str, list[tuple[Arrivals, Arrivals]]], running: Stand, figures: Figures) -> None:
    print(
        f"Open loop, {SHORT.name}, arrivals at random, each proxy, or what stands beside it, at about {SHARE:.0%} of a core; milliseconds to the first byte:\n"
    )
    print(
        "| through | arrivals a second | its core busy | the other | direct p50 | direct p99 | p50 | p99 | added p50 | added p99 |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for target in running.targets:
        if not (taken := pairs.get(target.name)):
            continue
        direct, through = (_medians(list(side)) for side in zip(*taken, strict=True))
        added = [
            median(two.p50_ms - one.p50_ms for one, two in taken),
            median(two.p99_ms - one.p99_ms for one, two in taken),
        ]
        figures.added[target.name] = (added[0], added[1])
        print(
            f"| {target.name} | {through['rate']:.0f} | {through['busy']:.0%} | {through['beside']:.0%} | {direct['p50_ms']:.2f} | {direct['p99_ms']:.2f} "
            f"| {through['p50_ms']:.2f} | {through['p99_ms']:.2f} | {added[0]:.2f} | {added[1]:.2f} |"
        )
    print()


def _held(running: Stand, figures: Figures) -> None:
    print(
        f"Resident megabytes with {held.STREAMS} open streams (an event a second each, {held.LASTING} s), and with "
        f"{held.READERS} readers of {held.EVENTS * held.WORD // 1_000_000} MB each that do not read for 6 s:\n"
    )
    print(
        "| through | before | streams open | just before they end | before | readers, 2 s | readers, 6 s | abort ms, median | at most |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for target in running.targets:
        if target.name == "direct" or target.name.startswith("LiteLLM"):
            continue
        waits = uvloop.run(held.aborts(target, running.engine))
        open_, slow = _tried(held.streams, target), _tried(held.slow_readers, target)
        if target.name == GATEWAY:
            figures.open_streams, figures.slow_readers, figures.abort_ms = open_, slow, median(waits)
        print(
            f"| {target.name} | {_row(open_)} | {_row(slow)} | {_wait(median(waits))} | {_wait(waits[-1])} |",
            flush=True,
        )
    print()


def _tried(measure: object, target: Target) -> Held | None:
    try:
        return uvloop.run(measure(target))
    except (Faulty, TimeoutError, OSError) as fault:
        print(f"Left out: {target.name}: {fault}", flush=True)
        return None


def _row(taken: Held | None) -> str:
    return f"{taken.before:.0f} | {taken.opened:.0f} | {taken.late:.0f}" if taken else "failed | | "


def _wait(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < inf else "never"


def _medians(samples: list[Sample] | list[Arrivals]) -> dict[str, float]:
    return {name: median(getattr(one, name) for one in samples) for name in vars(samples[0])}


def _audit(running: Stand) -> None:
    """A fast gateway that forgets would be worth nothing: nothing may be held, everything must be booked."""
    booked = int(running.ledger.xlen("wb:usage"))
    held_back = int(running.ledger.zcard("wb:leases"))
    print(f"\nLedger entries: {booked}; reservations left: {held_back}.")
    if held_back:
        raise SystemExit("Reservations were left behind.")
