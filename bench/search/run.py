"""`python -m bench search`: what a search costs among many models and entries of logbooks; a Markdown table.

Requests go through the whole WSGI application in this process, so the time is the portal's own and the database's.
BENCH_MODELS and BENCH_ENTRIES are the sizes.
"""

from __future__ import annotations

import os
import platform
import time
from importlib import import_module
from statistics import median
from typing import Any

from bench.access.stand import stand

MODELS = int(os.environ.get("BENCH_MODELS", "10000"))
ENTRIES = int(os.environ.get("BENCH_ENTRIES", "1000000"))
BOOKS = 100
BUDGET_MS = 150
REQUESTS = 5
"""Of each address in a round."""
PAGES = {
    "a phrase, 1 text in 200": "/search/?q=%22loss+scale%22",
    "a common word": "/search/?q=loss",
    "two common words": "/search/?q=gradient+norm",
    "a rare word": "/search/?q=kessel17",
    "a name": "/search/?q=model-{last}",
    "of one kind": "/search/?q=loss+scale&kind=hardware",
    "what nobody wrote": "/search/?q=zeppelin",
}


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print; `seconds` belongs to the benches that load a server."""
    with stand():
        loading, world = import_module("bench.search.loading"), import_module("tests.portal.world")
        begun = time.perf_counter()
        loading.models(world.build("lyceum").lab, MODELS, 10)
        loading.entries(ENTRIES, BOOKS)
        loading.analyze()
        print(
            f"{MODELS:,} models, {ENTRIES:,} entries in {BOOKS} logbooks, loaded in {time.perf_counter() - begun:.0f} s."
        )
        measured = measure(rounds)
    print(f"\nMedians of {rounds * REQUESTS}; Python {platform.python_version()}, {os.cpu_count()} cores.\n")
    print("| search for | queries | portal CPU ms | PostgreSQL CPU ms | wall ms |\n|---|---:|---:|---:|---:|")
    for name, (queries, costs) in measured.items():
        portal, database, wall = (
            median(getattr(cost, f"{of}_ms") for cost in costs) for of in ("portal", "database", "wall")
        )
        print(f"| {name} | {queries} | {portal:.1f} | {database:.1f} | {wall:.1f} |")
    over = [name for name, (_, costs) in measured.items() if median(cost.wall_ms for cost in costs) > BUDGET_MS]
    print(f"\nOver {BUDGET_MS} ms: {', '.join(over) or 'none'}.")


def measure(rounds: int) -> dict[str, tuple[int, list[Any]]]:
    """Each page twice to warm it, then in turn."""
    asking = import_module("bench.access.asking")
    asker = asking.Asker("HTTP_ACCEPT", "text/html")
    wanted = {name: url.format(last=MODELS - 1) for name, url in PAGES.items()}
    counts = {name: asking.queries(asker, url) for name, url in wanted.items() for _ in range(2)}
    costs: dict[str, list[Any]] = {name: [] for name in wanted}
    for _ in range(rounds * REQUESTS):
        for name, url in wanted.items():
            costs[name].append(asking.timed(asker, url))
    return {name: (counts[name], costs[name]) for name in wanted}
