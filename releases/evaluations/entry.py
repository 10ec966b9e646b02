"""Scores of a family that is hosted elsewhere, from the data file beside its catalogue entry: each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from portal.errors import Invalid
from portal.people.models import User
from releases.evaluation_metrics import Direction, Kind, Unit, direction_of, kind_of, unit_of
from releases.evaluation_rows import Row
from releases.evaluations import actions
from releases.models import Family

FOLDER: Final = Path(__file__).resolve().parents[1] / "catalogue"
_SHARED: Final = ("harness", "harness_version", "ran_by", "ran_on", "note", "raw_url")
_OWN: Final = ("task", "task_version", "metric", "n", "shots", "prompt")


def enter(family: Family, *, by: User | None) -> actions.Imported:
    """Bring the family's scores to what the data file beside its entry says."""
    rows, beside = read(family.slug)
    return actions.enter_scores(family=family, rows=rows, beside=beside, by=by)


def read(name: str) -> tuple[list[tuple[str, Row]], list[str]]:
    """(subject, row) of every score of the entry, and the subjects that are other systems.

    Both are empty where the entry has no such file. Raises Invalid for what names no known source, or is no score.
    """
    path = FOLDER / f"{name}.evaluations.yaml"
    if not path.exists():
        return [], []
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    sources = data["sources"]
    for told in data["runs"]:
        if told.get("source") not in sources:
            raise Invalid(f"{path.name}: {told} names no known source.")
    rows = [found for run in data["runs"] for found in _rows(run, sources[run["source"]])]
    for subject, row in rows:
        for problem in row.problems():
            raise Invalid(f"{path.name}, {row.task} {row.metric} of {subject}: {problem}")
    return rows, data["beside"]


def _rows(run: Mapping[str, Any], source: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
    for score in run["scores"]:
        kind = Kind(run["kind"]) if "kind" in run else kind_of(score["task"])
        direction = score.get("direction") or run.get("direction")
        told = {name: run[name] for name in _SHARED if name in run} | {k: score[k] for k in _OWN if k in score}
        percent = bool(score.get("percent", run.get("percent")))
        share = percent or score.get("share") or unit_of(score["metric"]) is Unit.SHARE
        for subject, (value, *error) in score["values"].items():
            yield (
                subject,
                Row(
                    **told,
                    kind=kind,
                    direction=Direction(direction) if direction else direction_of(score["metric"], kind),
                    unit=Unit.SHARE if share else Unit.NUMBER,
                    variant=score.get("variant") or run.get("variant", ""),
                    value=_scaled(value, percent=percent),
                    stderr=_scaled(error[0], percent=percent) if error else None,
                    source=source["title"],
                    source_url=source["url"],
                ),
            )


def _scaled(value: float, *, percent: bool) -> float:
    """Rounded, as 58.6 / 100 is a little more than 0.586."""
    return round(value / 100, 12) if percent else float(value)
