"""The run's records, written at the moment of the fact: metrics, logbook, and what a killed process left open."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(path: Path, row: dict[str, Any]) -> None:
    """Add one JSON line and force it to disk: the next statement may be a kill. It takes the place of one cut short."""
    with path.open("ab+") as file:
        if _torn(file):
            file.seek(0)
            file.truncate(len(_whole(file.read())))
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a JSON-lines file; none when it does not exist."""
    return [json.loads(line) for line in _whole(path.read_bytes()).splitlines()] if path.exists() else []


def _torn(file: BinaryIO) -> bool:
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _whole(data: bytes) -> bytes:
    """Up to the last line's end: what stands behind it was cut short by a kill or a full disk."""
    return data[: data.rfind(b"\n") + 1]


def dump(facts: dict[str, Any]) -> bytes:
    """A JSON file's bytes, for people to read too."""
    return (json.dumps(facts, indent=1) + "\n").encode()


def replace(path: Path, data: bytes) -> None:
    """Write a whole file or leave the old one: a failed write never spoils the last good file."""
    partial = path.with_suffix(path.suffix + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


class Logbook:
    """The training logbook: one entry for each thing that happened, in the order it happened."""

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run

    def write(self, kind: str, severity: str, text: str, *, step: int, **params: Any) -> None:
        """Append an entry. `params`: `before` and `after` hold what was changed or measured."""
        entry = {
            "id": f"{self.run}-{len(read(self.path)) + 1:03d}",
            "ts_utc": now(),
            "run": self.run,
            "step": step,
            "type": kind,
            "severity": severity,
            "text": text,
            **params,
        }
        append(self.path, entry)
        print(f"{entry['ts_utc']} {self.run} step {step} {kind}: {text}", flush=True)


class Ledger:
    """Facts of the run that must outlive its processes: events done, segments, tokens processed, CPU time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {"done": [], "segment": 0, "processed_tokens": 0, "cpu_seconds": 0.0}
        if path.exists():
            self.facts |= json.loads(path.read_text())

    def update(self, **facts: Any) -> None:
        """Change facts and save them."""
        self.facts |= facts
        replace(self.path, dump(self.facts))
