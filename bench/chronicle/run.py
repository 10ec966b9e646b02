"""`python -m bench chronicle`: import logbooks as people wrote them, and one as large as is taken.

`BENCH_CHRONICLES` names a folder in which every `chronicles*.md` is imported, such as a checkout of
https://github.com/bigscience-workshop/bigscience. Each import is a process of its own (`manage.py import_logbook`), whose
time and greatest memory the kernel counts, into an empty logbook; the last line is the same command with nothing to do.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from statistics import median

from bench.access.stand import stand

SIZES = (4, 18)
"""MiB: as much as the page takes (docs/logbook.md), and what the command alone does."""


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print. `seconds` is no matter: an import takes what it takes."""
    with stand() as home:
        print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, medians of {rounds} imports.\n")
        print("| chronicle | kB | lines | entries | seconds | CPU seconds | greatest memory |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name, file in [*public(), *made(home), ("nothing", None)]:
            told = [imported(file, number) for number in range(rounds)]
            size, lines = (0, 0) if file is None else (file.stat().st_size, len(file.read_text().splitlines()))
            print(
                f"| {name} | {size / 1000:,.0f} | {lines:,} | {told[0][0]:,} | {median(t[1] for t in told):.1f} "
                f"| {median(t[2] for t in told):.1f} | {max(t[3] for t in told) / 1e6:.0f} MB |",
                flush=True,
            )


def public() -> Iterator[tuple[str, Path]]:
    """The chronicles in the folder that BENCH_CHRONICLES names, those with text, by name."""
    folder = os.environ.get("BENCH_CHRONICLES")
    for file in sorted(Path(folder).rglob("chronicles*.md")) if folder else ():
        if file.stat().st_size:
            yield f"{file.parent.name}/{file.name}", file


def made(home: Path) -> Iterator[tuple[str, Path]]:
    """Headings with stamps, each with two lines of text, to each of SIZES."""
    for size in SIZES:
        file = home / f"made-{size}.md"
        with file.open("w") as out:
            out.write("# A long run\n")
            number = 0
            while out.tell() < (size << 20) - 400:
                day, hour, minute = number % 28 + 1, number % 1440 // 60, number % 60
                stamp = f"2022-{number % 12 + 1:02}-{day:02} {hour:02}:{minute:02}"
                out.write(f"\n### {stamp} step {number}: restarted\n\nThe loss scale fell to {2 ** (number % 16)} ")
                out.write(f"at step {number:,}, one node after another was lost,\nand the run went on from the last ")
                out.write("checkpoint with half of the learning rate.\n")
                number += 1
        yield f"made, {size} MiB", file


def imported(file: Path | None, number: int) -> tuple[int, float, float, float]:
    """(entries, seconds, processor seconds, bytes of memory at most) of one import into a family that has no logbook yet."""
    slug = f"{file.parent.name}-{file.stem}-{number}".lower().replace("_", "-") if file else ""
    command = [sys.executable, "-W", "ignore", "manage.py", "import_logbook"]
    command += [str(file), "--family", f"bench/{slug}", "--year", "2022", "--zone", "UTC"] if file else ["--help"]
    if file:
        _open_family(slug)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"The import of {file} failed: {said}")
    entries = import_module("releases.logbook_models").Entry.objects.filter(logbook__family__slug=slug or None).count()
    return entries, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def _open_family(slug: str) -> None:
    people, releases = import_module("portal.people.actions"), import_module("releases.actions")
    lab = import_module("portal.people.models").Lab.objects.filter(slug="bench").first()
    lab = lab or people.create_lab(slug="bench", name="Bench", site="", by=None)
    releases.open_family(lab=lab, slug=slug, title=slug, by=None)
