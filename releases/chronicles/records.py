"""Logbooks as JSON: one array, one object with `entries` and `runs`, or one object a line. The schema is docs/logbook.md's.

The same shape is written by the export, so that a logbook can leave one portal and enter another whole. No I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from releases.chronicles import stamps, values
from releases.chronicles.drafts import (
    ID_MAX,
    KINDS,
    RAW_MAX,
    REF_MAX,
    RUN_MAX,
    TEXT_MAX,
    TITLE_MAX,
    VALUES_MAX,
    Draft,
    Parsed,
    Problem,
    RunDraft,
)
from releases.sentences import Sentence

_TEXTS: Final = {
    "id": ID_MAX, "ts_raw": RAW_MAX, "ts_utc": 40, "tz": 10, "run": RUN_MAX - 10, "type": 80, "severity": 20,
    "title": TITLE_MAX, "text": TEXT_MAX, "supersedes": REF_MAX, "annotates": REF_MAX, "source": 2_000,
    "confidence": 20,
}  # fmt: skip
"""Keys whose values are texts, and how long they may be."""
_NUMBERS: Final = {"step": 2**63, "segment": 10**9}
"""Keys whose values are whole numbers, and what they are below: a bigint; what a run's name has room for."""
_TABLES: Final = ("before", "after")
_KEYS: Final = frozenset({*_TEXTS, *_NUMBERS, *_TABLES})
_RUN_KEYS: Final = frozenset({"name", "kind", "parent", "parent_step"})
_RUN_KINDS: Final = frozenset({"start", "fork", "rollback", "resume"})
_CONFIDENCES: Final = frozenset({"exact", "minute", "day", "inferred", "unknown"})
_SEVERITIES: Final = {
    "info": "info", "information": "info", "debug": "info", "notice": "info", "warning": "warning", "warn": "warning",
    "error": "critical", "critical": "critical", "fatal": "critical",
}  # fmt: skip
_KINDS: Final = {
    "start": "launch", "kill": "incident", "resume": "restart", "verification": "checkpoint",
    "io_error": "storage", "recovery": "storage", "change": "hyperparameter", "stop": "run_end",
    "mistake": "incident", "correction": "checkpoint", "observation": "note", "config": "configuration",
    "data fix": "data", "lr change": "hyperparameter", "run end": "run_end", "loss scale": "loss_scale",
}  # fmt: skip
"""Other words for kinds, those of our own training records among them."""

_NOTHING: Final = object()


class _Wrong(Exception):
    """One value is not what its key holds."""

    def __init__(self, said: Sentence) -> None:
        super().__init__(str(said))
        self.said = said


@dataclass(slots=True)
class _Reading:
    """One source while it is read."""

    name: str
    zone: str
    entries: list[Draft] = field(default_factory=list)
    runs: dict[str, RunDraft] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    segment: dict[str, int] = field(default_factory=dict)
    """The last segment of each run."""


def parse(text: str, *, name: str, zone: str = "") -> Parsed:
    """The entries and runs of a JSON or JSON-lines file. `zone` is where times without one were written."""
    reading = _Reading(name, zone)
    rows, runs = _rows(text, reading)
    for run in runs:
        _guard(reading, 1, lambda run=run: _take_run(reading, run))
    for line, row in rows:
        _guard(reading, line, lambda line=line, row=row: _take(reading, line, row))
    return Parsed(reading.entries, list(reading.runs.values()), reading.problems)


def of_rows(rows: Iterable[Mapping[str, Any]], *, name: str, runs: Iterable[Mapping[str, Any]] = ()) -> Parsed:
    """The same from data that was read already; a problem's line is the row's number."""
    reading = _Reading(name, "")
    for run in runs:
        _guard(reading, 1, lambda run=run: _take_run(reading, run))
    for line, row in enumerate(rows, 1):
        _guard(reading, line, lambda line=line, row=row: _take(reading, line, row))
    return Parsed(reading.entries, list(reading.runs.values()), reading.problems)


def is_json(text: str) -> bool:
    """Whether the whole text is JSON objects: one, a list of them, or one a line."""
    text = text.removeprefix("\ufeff").strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return all(_is_object(line) for line in text.split("\n") if line.strip())
    return isinstance(whole, dict) or (bool(whole) and all(isinstance(each, dict) for each in whole))


def run_name(run: str, segment: int) -> str:
    """What a numbered segment of a run is called: the run's own name for the first, `run.1` and on."""
    return f"{run}.{segment}" if segment else run


def kind_of(word: str) -> str:
    """The kind that a source's word means; `note` for one that we do not know."""
    plain = word.strip().lower().replace("-", "_")
    plain = _KINDS.get(plain, _KINDS.get(plain.replace("_", " "), plain.replace(" ", "_")))
    return plain if plain in KINDS else "note"


def _guard(reading: _Reading, line: int, take: Any) -> None:  # noqa: ANN401 a function without arguments
    try:
        take()
    except _Wrong as wrong:
        reading.problems.append(Problem(line, wrong.said))


def _rows(text: str, reading: _Reading) -> tuple[list[tuple[int, Any]], list[Any]]:
    """(line, value) of every entry, and the runs. In a whole document an entry's line is its number."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        return [], []
    if len(lines) > 1 and _is_object(lines[0][1]):
        return [(number, row) for number, line in lines if (row := _loads(line, number, reading)) is not _NOTHING], []
    whole = _loads(text, 1, reading)
    if isinstance(whole, dict) and isinstance(whole.get("entries"), list):
        runs = whole.get("runs", [])
        return list(enumerate(whole["entries"], 1)), runs if isinstance(runs, list) else []
    if whole is _NOTHING:
        return [], []
    return list(enumerate(whole, 1)) if isinstance(whole, list) else [(1, whole)], []


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _loads(text: str, line: int, reading: _Reading) -> Any:  # noqa: ANN401 whatever JSON can say
    """The value, or _NOTHING with a problem that names the line; `line` is that of the text's start."""
    try:
        return values.loads(text)
    except (ValueError, RecursionError) as fault:
        at = line + getattr(fault, "lineno", 1) - 1
        told = getattr(fault, "msg", "") or Sentence("it is too deep")
        reading.problems.append(Problem(at, Sentence("This is not JSON: %(fault)s.", fault=told)))
        return _NOTHING


def _take_run(reading: _Reading, row: Any) -> None:  # noqa: ANN401
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or not row["name"].strip():
        raise _Wrong(Sentence("A run needs a name."))
    name = row["name"].strip()
    if unknown := sorted(row.keys() - _RUN_KEYS):
        raise _Wrong(
            Sentence("A run has no key %(key)s. Choose among name, kind, parent, parent_step.", key=unknown[0])
        )
    kind, parent, step = row.get("kind", "start"), row.get("parent") or "", row.get("parent_step")
    if not isinstance(kind, str) or kind not in _RUN_KINDS:
        raise _Wrong(Sentence("Run %(run)s: the kind is start, fork, rollback or resume.", run=name))
    if parent and (not isinstance(parent, str) or parent not in reading.runs or kind == "start"):
        raise _Wrong(Sentence("Run %(run)s: a parent is a run that stands before it, and a start has none.", run=name))
    if step is not None and not (parent and _whole(step)):
        raise _Wrong(Sentence("Run %(run)s: parent_step is a whole number from 0, beside a parent.", run=name))
    if len(name) > RUN_MAX:
        raise _Wrong(Sentence("A run's name has at most %(most)s characters.", most=RUN_MAX))
    reading.runs[name] = RunDraft(name, kind, parent, step)


def _take(reading: _Reading, line: int, row: Any) -> None:  # noqa: ANN401
    if not isinstance(row, dict):
        raise _Wrong(Sentence("An entry is a JSON object."))
    _check(row)
    if not (row.get("title") or "").strip() and not (row.get("text") or "").strip():
        raise _Wrong(Sentence("An entry needs a title or a text."))
    stamp = _stamp(row, reading.zone)
    word, severity = row.get("type") or "", (row.get("severity") or "info").lower()
    if severity not in _SEVERITIES:
        raise _Wrong(Sentence("severity is info, warning or critical."))
    kind = kind_of(word)
    entry = Draft(
        line=line, ref=_ref(reading, row), raw_stamp=stamp.raw, at=stamp.at, confidence=stamp.confidence,
        run=_run(reading, row), step=row.get("step"), kind=kind, raw_kind="" if word == kind else word,
        severity=_SEVERITIES[severity], title=_plain(row.get("title")), text=_plain(row.get("text")),
        before=row.get("before") or {}, after=row.get("after") or {},
        source=row.get("source") or f"{reading.name}:{line}", supersedes=row.get("supersedes") or "",
        annotates=row.get("annotates") or "",
    )  # fmt: skip
    if entry.supersedes and entry.annotates:
        raise _Wrong(Sentence("An entry supersedes or annotates another, not both."))
    reading.entries.append(entry)


def _check(row: dict[str, Any]) -> None:
    if unknown := sorted(row.keys() - _KEYS):
        raise _Wrong(Sentence("An entry has no key %(key)s. Put it into before, after or text.", key=unknown[0]))
    for key, most in _TEXTS.items():
        if not isinstance(value := row.get(key) or "", str):
            raise _Wrong(Sentence("%(key)s must be a text.", key=key))
        if len(value) > most:
            raise _Wrong(Sentence("%(key)s has more than %(most)s characters.", key=key, most=most))
    for key, below in _NUMBERS.items():
        if row.get(key) is not None and not _whole(row[key], below):
            raise _Wrong(Sentence("%(key)s must be a whole number from 0, below %(below)s.", key=key, below=below))
    for key in _TABLES:
        if not values.fit(row.get(key) or {}):
            raise _Wrong(
                Sentence(
                    "%(key)s must be an object of values by name, with at most %(most)s characters, and %(deepest)s objects and "
                    "lists in one another.",
                    key=key, most=VALUES_MAX, deepest=values.DEEPEST,
                )
            )  # fmt: skip


def _stamp(row: dict[str, Any], zone: str) -> stamps.Stamp:
    raw, utc, said = row.get("ts_raw") or "", row.get("ts_utc") or "", row.get("confidence") or ""
    zone = row.get("tz") or zone
    if not stamps.known_zone(zone):
        raise _Wrong(Sentence("tz is a name like UTC, ET, PT or CET, or an offset like +01:00."))
    if said and said not in _CONFIDENCES:
        raise _Wrong(Sentence("confidence is exact, minute, day, inferred or unknown."))
    read = stamps.read(utc or raw, zone="UTC" if utc else zone) if utc or raw else stamps.Stamp()
    if utc and read.at is None:
        raise _Wrong(Sentence("ts_utc must be a time in ISO 8601, as in 2022-01-06T20:46:00Z."))
    at = None if said == "unknown" else read.at
    if said and said != "unknown" and at is None:
        raise _Wrong(Sentence("A confidence needs a time that can be read: give ts_utc."))
    return stamps.Stamp(_plain(raw or utc), at, said or read.confidence)


def _run(reading: _Reading, row: dict[str, Any]) -> str:
    """The run's name. Numbered segments make a line of runs, each from the one before it."""
    base = _plain(row.get("run"))
    if not base:
        return ""
    number = row.get("segment")
    number = reading.segment.get(base, 0) if number is None else number
    name, before = run_name(base, number), run_name(base, reading.segment.get(base, 0))
    if name not in reading.runs:
        parent = before if number and before in reading.runs else ""
        word = row.get("type")
        kind = ("rollback" if word == "rollback" else "resume") if parent else "start"
        step = (row.get("after") or {}).get("step") if parent else None
        reading.runs[name] = RunDraft(name, kind, parent, step if _whole(step) else None)
    reading.segment[base] = number
    return name


def _ref(reading: _Reading, row: dict[str, Any]) -> str:
    """Its id; without one, the source's name and a digest of the row, counted where rows are equal."""
    if said := _plain(row.get("id")):
        if reading.seen[said]:
            raise _Wrong(Sentence("The id %(id)s stands here twice.", id=said))
        reading.seen[said] += 1
        return said
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:24]
    reading.seen[digest] += 1
    return f"{reading.name[:200]}#{digest}" + (f"#{reading.seen[digest]}" if reading.seen[digest] > 1 else "")


def _whole(value: object, below: int = 2**63) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _plain(value: str | None) -> str:
    return (value or "").replace("\0", "").strip()
