"""Starts the program that converts, listens to it, and ends it: whatever it does, the worker lives on.

The program gets a folder of its own, no environment, and bounds; it raises its barriers itself before it reads a
byte of weights (child/sandbox.py). It starts no process, so ending its group ends all of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from releases.sentences import Sentence, restored

CHILD: Final = Path(__file__).parent / "child" / "__main__.py"
REPORT_MAX: Final = 32 << 20
OUTPUT_MAX: Final = 8 << 20
"""Bytes that the program may tell in all; it tells about a hundred a second at most."""
LINE_MAX: Final = 300
SENTENCE_MAX: Final = 1000
"""Characters of what it says is wrong."""
_REFUSED, _NO_MEMORY, _NO_BARRIER = 3, 4, 5
_WATCH_S: Final = 1.0


class Failed(Exception):
    """The conversion has ended without a result; the sentence says why and what to do."""

    def __init__(self, told: Sentence) -> None:
        super().__init__(str(told))
        self.told = told


class Ended(Exception):
    """It was to end: somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one conversion may use: seconds by the clock, bytes of memory, bytes of its folder."""

    seconds: int
    memory: int
    disk: int

    def limits(self) -> dict[str, int]:
        """Those that the kernel holds the program to."""
        return {"memory": self.memory, "seconds": self.seconds, "file_bytes": self.disk}


@dataclass(frozen=True, slots=True)
class Ear:
    """Who hears of progress: `say` a line, `moved` (bytes done, in all), `go_on` once a second; False ends it."""

    say: Callable[[str], None]
    moved: Callable[[int, int], None]
    go_on: Callable[[], bool]


def run(python: Path, scratch: Path, job: dict[str, Any], bounds: Bounds, ear: Ear) -> dict[str, Any]:
    """The program's report on `job`, whose sources lie in `scratch`. Raises Failed, Ended."""
    if not python.is_file():
        raise Failed(
            Sentence(
                "This portal has no converter: CONVERTER_PYTHON names no Python. Tell its operator (`make engine`)."
            )
        )
    (scratch / "job.json").write_text(json.dumps({**job, "limits": bounds.limits()}), encoding="utf-8")
    with (scratch / "errors.txt").open("wb") as errors:
        child = subprocess.Popen(
            [str(python), "-I", "-B", str(CHILD), str(scratch)],
            cwd=scratch,
            env={"HOME": str(scratch), "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        _listen(child, scratch, bounds, ear)
        return _report(child.wait(), scratch)
    finally:
        _end(child)


def _listen(child: subprocess.Popen[bytes], scratch: Path, bounds: Bounds, ear: Ear) -> None:
    """Hear the program out, until it has ended. Raises Failed, Ended."""
    assert child.stdout is not None  # noqa: S101 it is a pipe
    end, watched, lines, talks = time.monotonic() + bounds.seconds, 0.0, _Lines(), True
    while talks or child.poll() is None:
        now = time.monotonic()
        if now >= end:
            raise Failed(
                Sentence(
                    "It took longer than %(seconds)s seconds, the most that this portal allows.", seconds=bounds.seconds
                )
            )
        if now - watched >= _WATCH_S:
            watched = now
            _watch(scratch, bounds, ear)
        if not talks:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(min(_WATCH_S, end - now))
        elif select.select([child.stdout], [], [], min(_WATCH_S, end - now))[0]:
            piece = os.read(child.stdout.fileno(), 65536)
            talks = bool(piece)
            for line in lines.of(piece):
                _hear(line, ear)


class _Lines:
    """What a pipe brings, line by line, within bounds."""

    def __init__(self) -> None:
        self._heard, self._rest = 0, b""

    def of(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes. Raises Failed."""
        self._heard += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if self._heard > OUTPUT_MAX or len(self._rest) > OUTPUT_MAX >> 4:
            raise Failed(Sentence("The program told more than it should. Tell the portal's operator."))
        return lines


def _watch(scratch: Path, bounds: Bounds, ear: Ear) -> None:
    if not ear.go_on():
        raise Ended
    held = sum(
        file.stat().st_size for folder in (scratch, scratch / "in", scratch / "out") for file in folder.iterdir()
    )
    if held > bounds.disk:
        raise Failed(Sentence("It wrote more than its sources could give. Tell the portal's operator."))


def _hear(line: bytes, ear: Ear) -> None:
    """One line of JSON; what is none is not ours, and is passed over."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(told, dict):
        return
    match told:
        case {"say": str(text)}:
            ear.say("".join(c for c in text if c.isprintable())[:LINE_MAX])
        case {"done": int(done), "all": int(total)}:
            ear.moved(min(max(done, 0), 1 << 62), min(max(total, 0), 1 << 62))


def _report(status: int, scratch: Path) -> dict[str, Any]:
    """What the program left, by how it ended. Raises Failed."""
    if status == _NO_MEMORY:
        raise Failed(Sentence("It needed more memory than this portal allows a conversion. Nothing was kept."))
    if status not in {0, _REFUSED, _NO_BARRIER}:
        raise Failed(
            Sentence(
                "The program ended by force or in disorder: too much memory or time, or damaged files. Nothing was kept."
            )
        )
    report = _read(scratch / "report.json")
    if status == _NO_BARRIER:
        raise Failed(
            Sentence(
                "This machine cannot close the program in. %(why)s Tell the portal's operator (ADR 12).",
                why=_sentence(report),
            )
        )
    if status == _REFUSED:
        raise Failed(_sentence(report))
    return report


def _read(path: Path) -> dict[str, Any]:
    """A report, which a stranger's program may have written. Raises Failed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as source:
            told = json.loads(_bounded(source))
    except (OSError, ValueError, RecursionError) as fault:
        raise Failed(Sentence("The program left no report that can be read. Nothing was kept.")) from fault
    if not isinstance(told, dict):
        raise Failed(Sentence("The program left no report that can be read. Nothing was kept."))
    return told


def _bounded(source: IO[bytes]) -> bytes:
    content = source.read(REPORT_MAX + 1)
    if len(content) > REPORT_MAX:
        raise ValueError("too long")
    return content


def _sentence(report: dict[str, Any]) -> Sentence:
    """What the program says is wrong, in characters that can be shown; the beginning alone of what is too long."""
    found = restored(_printable(report.get("problem")))
    return found if len(str(found)) <= SENTENCE_MAX else restored(str(found)[:SENTENCE_MAX])


def _printable(told: Any) -> Any:  # noqa: ANN401 whatever JSON can say
    if isinstance(told, dict):
        return {name: _printable(inner) for name, inner in told.items()}
    if isinstance(told, list):
        return [_printable(inner) for inner in told]
    return "".join(c for c in told if c.isprintable()) if isinstance(told, str) else told


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()
