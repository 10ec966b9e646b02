"""`python -m bench resolve`: what HEAD and GET of a file cost as tokens and files grow many; a Markdown table.

Requests go through the whole WSGI application in this process, so the time is the portal's own and the database's.
A GET writes its row of the ledger and waits until PostgreSQL has it. BENCH_TOKENS and BENCH_FILES are the largest sizes.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench.access.stand import stand

TOKENS = tuple(n for n in (100, 10_000, 1_000_000) if n <= int(os.environ.get("BENCH_TOKENS", "1000000")))
FILES = tuple(n for n in (10, 1_000, 100_000) if n <= int(os.environ.get("BENCH_FILES", "100000")))
BUDGET_MS = 2.0
REQUESTS = 40
"""Requests of each kind in a round."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    method: str
    queries: int
    costs: list[Any]

    @property
    def portal_ms(self) -> float:
        return median(cost.portal_ms for cost in self.costs)

    def line(self) -> str:
        wall, database = (median(getattr(cost, f"{of}_ms") for cost in self.costs) for of in ("wall", "database"))
        return f"| {self.what} | {self.method} | {self.queries} | {self.portal_ms:.2f} | {database:.2f} | {wall:.2f} |"


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print; `seconds` belongs to the benches that load a server."""
    with stand() as home:
        rows = list(measure(home, rounds))
    print(f"\nMedians of {rounds * REQUESTS}; Python {platform.python_version()}, {os.cpu_count()} cores.\n")
    print("| | method | queries | portal CPU ms | PostgreSQL CPU ms | wall ms |\n|---|---|---:|---:|---:|---:|")
    print("\n".join(row.line() for row in rows))
    over = [f"{row.method} {row.what}" for row in rows if row.portal_ms > BUDGET_MS]
    print(f"\nOver {BUDGET_MS} ms of the portal's processor time: {', '.join(over) or 'none'}.")


def measure(home: Path, rounds: int) -> Any:
    """Files first, with few tokens; then tokens, with the small models."""
    loading = import_module("bench.resolve.loading")
    made, holder = loading.lab(home)
    secret, last = loading.token_of(holder), "model.safetensors"
    for total in FILES:
        name = loading.more_files(total, made).name
        loading.analyze()
        n = total - 1
        yield from door(
            f"one of {total:,} files", f"/lyceum/{name}/resolve/main/{n // 1000:04d}/{n:06d}.txt", "", rounds
        )
    for total in TOKENS:
        loading.more_tokens(total, holder)
        loading.analyze()
        yield from door(f"open model, {total:,} tokens", f"/lyceum/open/resolve/main/{last}", secret, rounds)
        yield from door(f"gated model, {total:,} tokens", f"/lyceum/gated/resolve/main/{last}", secret, rounds)


def door(what: str, url: str, secret: str, rounds: int) -> Any:
    """HEAD and GET, in turn."""
    asking = import_module("bench.access.asking")
    asker = asking.Asker.bearer(secret) if secret else asking.Asker("HTTP_ACCEPT", "*/*")
    counts = {method: asking.queries(asker, url, method) for method in ("HEAD", "GET") for _ in range(3)}
    costs: dict[str, list[Any]] = {method: [] for method in counts}
    for _ in range(rounds * REQUESTS):
        for method in counts:
            costs[method].append(asking.timed(asker, url, method))
    for method in counts:
        row = Row(what, method, counts[method], costs[method])
        print(row.line(), flush=True)
        yield row
