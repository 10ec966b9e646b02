"""`python -m bench pages`: the release pages of a running demo, as a first visitor meets them over a slow line.

The portal is `make demo` without its engine, in a home of its own that goes afterwards; BENCH_PAGES names another that
runs already. Every visit is a fresh profile of Chromium; medians of the rounds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from playwright.sync_api import sync_playwright

from infra.walk import chromium
from infra.walk.weighing import LINE, weigh
from tests.stack import Stack, free_port, temporary_home

PAGES = (
    "/families/lyceum/pico-opt/",
    "/families/meta/opt/",
    "/lyceum/pico-opt-1m",
    "/lyceum/pico-opt-5m",
    "/lyceum/pico-opt-5m/curves",
)


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print."""
    with _portal() as base, sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium.executable(tool), args=chromium.FLAGS)
        print(f"\nChromium {browser.version}, {LINE}; load average {os.getloadavg()[0]:.0f}.\n")
        print("| page | kB on the wire | kB without the chart library | answer | first words | largest part | loaded |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for path in PAGES:
            weigh(browser, base + path)  # what a process asks for once
            visits = [weigh(browser, base + path) for _ in range(rounds)]
            whole, own = (
                median(sizes) / 1000 for sizes in zip(*((sum(v.files.values()), v.own) for v in visits), strict=True)
            )
            times = zip(*((v.answered, v.first, v.largest, v.loaded) for v in visits), strict=True)
            print(f"| `{path}` | {whole:.0f} | {own:.0f} | " + " | ".join(f"{median(t):.0f} ms" for t in times) + " |")
        browser.close()


@contextmanager
def _portal() -> Iterator[str]:
    if running := os.environ.get("BENCH_PAGES"):
        yield running.rstrip("/")
        return
    stack = Stack(temporary_home(), free_port())
    try:
        yield stack.start(within_s=900).base_url
    finally:
        if stack.process is not None:
            stack.stop()
        shutil.rmtree(stack.home.parent, ignore_errors=True)
