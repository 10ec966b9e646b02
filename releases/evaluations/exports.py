"""Scores as files: CSV for a spreadsheet, JSON for a program; row by row, never whole in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from portal.access.exports import CHUNK, line
from releases.evaluation_models import Score, ScoreQuerySet

COLUMNS: Final = (
    "id", "model", "commit", "family", "subject", "beside", "kind", "task", "task_version", "metric", "variant", "unit",
    "direction", "value", "stderr", "low", "high", "n", "shots", "prompt", "harness", "harness_version", "ran_by",
    "ran_on", "weights", "raw_path", "raw_url", "source", "source_url", "note",
)  # fmt: skip


def as_row(score: Score) -> dict[str, Any]:
    """A score as plain values, whole, under the names of COLUMNS."""
    family = score.family or (score.revision.model.family if score.revision else None)
    owner = {
        "id": score.pk,
        "model": score.revision.model.full_name if score.revision else "",
        "commit": score.revision.commit if score.revision else "",
        "family": family.full_name if family else "",
        "ran_on": score.ran_on.isoformat() if score.ran_on else "",
    }
    return {name: owner[name] if name in owner else getattr(score, name) for name in COLUMNS}


def csv_lines(scores: ScoreQuerySet) -> Iterator[str]:
    """Head and rows; a cell that a spreadsheet would calculate gets an apostrophe in front."""
    yield line(COLUMNS)
    for score in scores.iterator(chunk_size=CHUNK):
        yield line(as_row(score).values())


def json_lines(scores: ScoreQuerySet) -> Iterator[str]:
    """One array of objects, a row a line."""
    before = "["
    for score in scores.iterator(chunk_size=CHUNK):
        yield f"{before}\n{json.dumps(as_row(score), ensure_ascii=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


SHAPES: Final[dict[str, tuple[Callable[[ScoreQuerySet], Iterator[str]], str]]] = {
    "csv": (csv_lines, "text/csv; charset=utf-8"),
    "json": (json_lines, "application/json"),
}
