"""`python -m bench curves`: import a metrics.jsonl of ten million points, ask for windows of it, redraw it in Chromium.

The import runs as its own process (`manage.py import_curves`), whose time and greatest memory the kernel counts. Windows
are asked for through the whole WSGI application in this process. In Chromium the page of the family is drawn from a
server in this process, and looked into by dragging; its script measures each redraw (`curves-redraw`).
"""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from bench.access.stand import stand

PAGE = "/families/bench/curves/curves"
WIDTHS = (1.0, 0.1, 0.01, 0.0001)
DRAGS = 20


def main(*, rounds: int, points: int) -> None:
    """Measure and print."""
    with stand() as home:
        file = home / "metrics.jsonl"
        write(file, points)
        open_logbook()
        seconds, peak = imported(file)
        print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores.\n")
        print("| what | measured |\n|---|---:|")
        print(f"| file | {points:,} rows, {file.stat().st_size / 1e9:.2f} GB |")
        print(f"| import | {seconds:.0f} s, {seconds / points * 1e6:.1f} µs a row |")
        print(f"| greatest memory of the import | {peak / 1e6:.0f} MB |")
        print(f"| in the database | {stored() / points:.1f} bytes a point |")
        for share in WIDTHS:
            times, sizes = windows(points, share, rounds * 4)
            print(f"| window of {share:.2%}, 1,000 px, {max(sizes):,} points at most | {median(times):.0f} ms |")
        with served() as base:
            first, redraws = drawn(base)
        print(f"| first drawing in Chromium | {first:.0f} ms |")
        print(
            f"| redraw in Chromium, {len(redraws)} closer looks | {median(redraws):.1f} ms, {max(redraws):.1f} ms at most |"
        )


def write(file: Path, points: int) -> None:
    """A loss that falls, with noise, and a spike at a million places."""
    rng = random.Random(7)
    with file.open("w") as out:
        for start in range(0, points, 10_000):
            out.writelines(_line(step, rng) for step in range(start, min(points, start + 10_000)))


def _line(step: int, rng: random.Random) -> str:
    loss = 2 + 8 / (1 + step / 1e5) + rng.gauss(0, 0.05) + (6 if rng.random() < 1e-6 else 0)
    return f'{{"ts": {1.7e9 + step / 4:.2f}, "step": {step}, "tokens": {step * 2048}, "loss": {loss:.6f}}}\n'


def open_logbook() -> None:
    """A family with an empty logbook."""
    lab = import_module("portal.people.actions").create_lab(slug="bench", name="Bench", site="", by=None)
    family = import_module("releases.actions").open_family(lab=lab, slug="curves", title="Curves", by=None)
    import_module("releases.logbook_models").Logbook.objects.create(family=family, title="Logbook")


def imported(file: Path) -> tuple[float, float]:
    """(seconds, bytes of memory at most) of the import."""
    begun = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "manage.py", "import_curves", str(file), "bench/curves", "--run", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("The import failed.")
    return time.perf_counter() - begun, used.ru_maxrss * 1024


def stored() -> int:
    """Bytes of the tables of blocks and segments, indexes included."""
    with import_module("django.db").connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('releases_curveblock') + pg_total_relation_size('releases_curvesegment')"
        )
        return int(cursor.fetchone()[0])


def windows(points: int, share: float, times: int) -> tuple[list[float], list[int]]:
    """Milliseconds of answers, and their points, for windows of this share of the axis at random places."""
    client, rng = import_module("django.test").Client(), random.Random(11)
    took, sizes = [], []
    for _ in range(times):
        low = rng.random() * (1 - share) * points
        begun = time.perf_counter()
        told = client.get(f"{PAGE}.json", {"axis": "step", "from": low, "to": low + share * points, "width": 1000})
        took.append((time.perf_counter() - begun) * 1000)
        sizes.append(sum(len(line["x"]) for panel in told.json()["panels"] for line in panel["lines"]))
    return took, sizes


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@contextmanager
def served() -> Iterator[str]:
    """The portal on a free port."""
    server = make_server("127.0.0.1", 0, import_module("portal.wsgi").application, handler_class=_Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def drawn(base: str) -> tuple[float, list[float]]:
    """Milliseconds of the first drawing, and of each redraw by a drag over the middle."""
    sync = import_module("playwright.sync_api").sync_playwright
    measure = "name => performance.getEntriesByName(name).map(entry => entry.duration)"
    with sync() as tool:
        chromium = import_module("infra.walk.chromium")
        browser = tool.chromium.launch(executable_path=chromium.executable(tool), args=chromium.FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(base + PAGE)
        page.locator("[data-live] .u-over").first.wait_for(timeout=60_000)
        first, redraws = page.evaluate(measure, "curves-draw")[0], []
        for turn in range(DRAGS):
            if turn % 5 == 0 and turn:
                redraws += page.evaluate(measure, "curves-redraw")
                page.goto(base + PAGE)
                page.locator("[data-live] .u-over").first.wait_for(timeout=60_000)
            box = page.locator(".u-over").first.bounding_box()
            page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=4)
            page.mouse.up()
            page.wait_for_timeout(400)
        redraws += page.evaluate(measure, "curves-redraw")
        browser.close()
    return first, redraws
