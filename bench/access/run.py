"""`python -m bench access`: load the crowd step by step, open the pages of access at each size, print a Markdown table.

Requests go through the whole WSGI application in this process, so the time is the portal's own and the database's,
without a network. Wall time is what the person waits for; processor time is what a busy machine disturbs less.
"""

from __future__ import annotations

import os
import platform
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench.access import register
from bench.access.stand import stand

SIZES = (1_000, 10_000, 50_000)
BUDGET_MS, BUDGET_QUERIES = 150, 12


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print; `seconds` belongs to the benches that load a server."""
    with stand() as home:
        measured: dict[int, dict[str, Any]] = {}
        institutions(home)
        for size in SIZES:
            print(f"{size:,} applications loaded in {grow(home, size):.0f} s")
            measured[size] = import_module("bench.access.pages").measure(rounds * 4)
        report(measured, rounds * 4)


def institutions(home: Path) -> None:
    """Fill the register."""
    management = import_module("django.core.management")
    register.write(home / "register.json")
    management.call_command("import_ror", home / "register.json")


def grow(home: Path, size: int) -> float:
    """Seconds that it took to bring the crowd to this size."""
    loading = import_module("portal.access.crowd.loading")
    begun = time.perf_counter()
    for _ in loading.load(size):
        pass
    loading.analyze()
    import_module("bench.access.pages").publish(home)
    return time.perf_counter() - begun


def report(measured: dict[int, dict[str, Any]], rounds: int) -> None:
    """The table, and which cells are over the budget."""
    print(f"\nMedians of {rounds}; Python {platform.python_version()}, {os.cpu_count()} cores.\n")
    print("| page | queries | " + " | ".join(f"{size:,}" for size in measured) + " |")
    print("|---|---:|" + "---:|" * len(measured))
    over = []
    for name in next(iter(measured.values())):
        rows = [found[name] for found in measured.values()]
        print(f"| {name} | {max(row.queries for row in rows)} | " + " | ".join(_cell(row) for row in rows) + " |")
        if max(_wall(row) for row in rows) > BUDGET_MS or max(row.queries for row in rows) > BUDGET_QUERIES:
            over.append(name)
    print(f"\nMilliseconds: wall (processor of the portal + of PostgreSQL). Over {BUDGET_MS} ms or "
          f"{BUDGET_QUERIES} queries: {', '.join(over) or 'none'}.")  # fmt: skip


def _wall(row: Any) -> float:
    return median(cost.wall_ms for cost in row.costs)


def _cell(row: Any) -> str:
    portal, database = (median(getattr(c, f"{of}_ms") for c in row.costs) for of in ("portal", "database"))
    return f"{_wall(row):.0f} ({portal:.0f} + {database:.0f})"
