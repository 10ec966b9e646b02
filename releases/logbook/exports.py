"""A logbook as JSON (which the importer reads back), Markdown and CSV; written as it is read, however long it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from portal.access.exports import line
from releases.logbook.shelves import Asked, Shelf
from releases.logbook_models import Entry, Run

CHUNK: Final = 2_000
_NUMBER: Final = re.compile(r"([^/]+/)?entry-\d+")
COLUMNS: Final = (
    "id", "ts_utc", "ts_raw", "confidence", "run", "step", "type", "severity", "title", "text", "before", "after",
    "supersedes", "annotates", "source",
)  # fmt: skip


def as_row(entry: Entry, shelf: Shelf, shared: frozenset[str]) -> dict[str, Any]:
    """An entry in the importer's shape (docs/logbook.md), without what it does not say. `shared`: Shelf.shared_runs."""
    told: dict[str, Any] = {
        "id": id_of(entry, shelf),
        "ts_utc": entry.at.isoformat() if entry.at else "",
        "ts_raw": entry.raw_stamp,
        "confidence": entry.confidence,
        "run": run_of(entry.run, shelf, shared) if entry.run else "",
        "step": entry.step,
        "type": entry.raw_kind or entry.kind,
        "severity": entry.severity,
        "title": entry.title,
        "text": entry.text,
        "before": entry.before,
        "after": entry.after,
        "supersedes": id_of(entry.supersedes, shelf) if entry.supersedes else "",
        "annotates": id_of(entry.annotates, shelf) if entry.annotates else "",
        "source": entry.source,
    }
    return {name: value for name, value in told.items() if value or value == 0}


def id_of(entry: Entry, shelf: Shelf) -> str:
    """What an entry is called outside, and no other beside it: its source's id; its number where it has none, or corrects one that has.

    Its number too where the id is such a number of the logbook that it came from, and where several logbooks stand
    together: two sources may use one id.
    """
    number = f"entry-{entry.order}"
    if len(shelf.books) > 1:
        return _of_its_model(number, entry.logbook_id, shelf)
    return entry.ref if entry.ref and not entry.supersedes_id and not _NUMBER.fullmatch(entry.ref) else number


def run_of(run: Run, shelf: Shelf, shared: frozenset[str]) -> str:
    """What a run is called outside: its name, behind its model's where two logbooks that leave together have one of that name."""
    return _of_its_model(run.name, run.logbook_id, shelf) if run.name in shared else run.name


def as_json(shelf: Shelf, asked: Asked) -> Iterator[str]:
    """One document: what it is about, its runs, its entries."""
    shared = shelf.shared_runs()
    head = {"subject": shelf.subject.full_name, "logbooks": [book.title for book in shelf.books]}
    rows = Run.objects.filter(logbook__in=shelf.books).select_related("parent").order_by("pk")
    runs = [_run(run, shelf, shared) for run in rows]
    yield json.dumps(head | {"runs": runs}, ensure_ascii=False)[:-1] + ', "entries": ['
    for n, entry in enumerate(_entries(shelf, asked)):
        yield (",\n" if n else "\n") + json.dumps(as_row(entry, shelf, shared), ensure_ascii=False)
    yield "\n]}\n"


def as_csv(shelf: Shelf, asked: Asked) -> Iterator[str]:
    """Head and rows; tables as JSON in their cells."""
    yield line(COLUMNS)
    shared = shelf.shared_runs()
    for entry in _entries(shelf, asked):
        row = as_row(entry, shelf, shared)
        cells = (row.get(name, "") for name in COLUMNS)
        yield line(json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict) else cell for cell in cells)


def as_markdown(shelf: Shelf, asked: Asked) -> Iterator[str]:
    """A chronicle: a heading for each entry, begun by its time as the source wrote it."""
    yield f"# {shelf.subject.full_name}\n"
    shared = shelf.shared_runs()
    for entry in _entries(shelf, asked):
        stamp = entry.raw_stamp or (f"{entry.at:%Y-%m-%d %H:%M} UTC" if entry.at else "")
        run = run_of(entry.run, shelf, shared) if entry.run else ""
        yield "\n### " + " ".join(part for part in (stamp, run, entry.title) if part) + "\n\n"
        facts = [entry.kind, entry.severity, f"step {entry.step}" if entry.step is not None else ""]
        for word, other in (("supersedes", entry.supersedes), ("annotates", entry.annotates)):
            facts.append(f"{word} entry {other.order}" if other else "")
        yield f"*Entry {entry.order}: {', '.join(fact for fact in facts if fact)}*\n"
        for name in dict.fromkeys([*entry.before, *entry.after]):
            yield f"\n- {name}: {_shown(entry.before, name)} → {_shown(entry.after, name)}"
        yield "\n" if entry.before or entry.after else ""
        yield f"\n{entry.text}\n" if entry.text else ""
        yield f"\nSource: {entry.source}\n" if entry.source else ""


Writer = Callable[[Shelf, Asked], Iterator[str]]
SHAPES: Final[dict[str, tuple[Writer, str]]] = {
    "json": (as_json, "application/json"),
    "md": (as_markdown, "text/markdown; charset=utf-8"),
    "csv": (as_csv, "text/csv; charset=utf-8"),
}


def _entries(shelf: Shelf, asked: Asked) -> Iterator[Entry]:
    rows = asked.among(shelf.entries.prefetch_related(None).select_related(None))
    yield from rows.select_related("run", "supersedes", "annotates").iterator(chunk_size=CHUNK)


def _run(run: Run, shelf: Shelf, shared: frozenset[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": run_of(run, shelf, shared), "kind": run.kind}
    if run.parent:
        told |= {"parent": run_of(run.parent, shelf, shared)}
    return told | ({"parent_step": run.parent_step} if run.parent_step is not None else {})


def _of_its_model(name: str, logbook_id: int, shelf: Shelf) -> str:
    model = next(book.model for book in shelf.books if book.pk == logbook_id)
    return f"{model.name}/{name}" if model else name


def _shown(values: dict[str, Any], name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else "—"
