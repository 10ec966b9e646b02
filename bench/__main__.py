"""Run every bench, or those that are named: `python -m bench [access|chronicle|curves|pages|gateway|queue|resolve|fetch|store|search|clients|engine …] [--rounds N] [--seconds S] [--gib G] [--peers] [--points P]`."""

from __future__ import annotations

import argparse

from bench.access import run as access
from bench.chronicle import run as chronicle
from bench.clients import run as clients
from bench.curves import run as curves
from bench.engine import run as engine
from bench.fetch import run as fetch
from bench.gateway import run as gateway
from bench.pages import run as pages
from bench.queue import run as queue
from bench.resolve import run as resolve
from bench.search import run as search
from bench.store import run as store

BENCHES = {
    "access": access.main,
    "chronicle": chronicle.main,
    "curves": curves.main,
    "pages": pages.main,
    "gateway": gateway.main,
    "queue": queue.main,
    "resolve": resolve.main,
    "fetch": fetch.main,
    "store": store.main,
    "search": search.main,
    "clients": clients.main,
    "engine": engine.main,
}
APART = {"clients", "engine"}
"""Only when named: they need an engine, and one fetches its tools."""
OF_A_SIZE = {"fetch", "store"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and print Markdown tables.")
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHES, []], help="which benches; all but clients and engine by default"
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; the median counts")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--gib", type=float, default=2.0, help="size of what is fetched, read and written")
    parser.add_argument("--peers", action="store_true", help="gateway: install other gateways and measure them too")
    parser.add_argument("--points", type=int, default=10_000_000, help="points of the curve that is imported")
    given = parser.parse_args()
    for name in given.names or [name for name in BENCHES if name not in APART]:
        size = {"gib": given.gib} if name in OF_A_SIZE else {"seconds": given.seconds}
        size = {"points": given.points} if name == "curves" else size
        beside = {"peers": given.peers} if name == "gateway" else {}
        BENCHES[name](rounds=given.rounds, **size, **beside)


main()
