"""The logbook of a family that is not hosted here, from a data file of the catalogue: every entry with its source."""

from __future__ import annotations

from typing import Any

import yaml
from django.db import transaction

from portal.errors import Invalid
from releases import actions as releases_actions
from releases.chronicles import records
from releases.entries import FOLDER
from releases.logbook import actions
from releases.logbook.actions import Imported
from releases.logbook_lifecycle import State
from releases.models import Family


def read(name: str) -> dict[str, Any]:
    """The data of `<name>_logbook.yaml`; raises Invalid when an entry names no known source."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}_logbook.yaml").read_text(encoding="utf-8"))
    for row in data["entries"]:
        if row.get("source") not in data["sources"]:
            raise Invalid(f"{name}_logbook.yaml: {row} names no known source.")
    return data


@transaction.atomic
def seed(family: Family, name: str) -> Imported:
    """Enter the logbook, or bring it up to date: what the file says anew supersedes what it said. Then it is frozen."""
    data = read(name)
    rows = [_row(row, data["sources"]) for row in data["entries"]]
    parsed = records.of_rows(rows, name=f"{name}_logbook.yaml", runs=data.get("runs", []))
    book = actions.open_logbook(subject=family, by=None, title=data["title"], source=data["source"])
    done = actions.import_entries(logbook=book, parsed=parsed, name=f"{name}_logbook.yaml", by=None, recorded=True)
    if book.state == State.OPEN:
        releases_actions.freeze_logbook(logbook=book, by=None)
    return done


def _row(row: dict[str, Any], sources: dict[str, dict[str, str]]) -> dict[str, Any]:
    source = sources[row["source"]]
    told = {key: str(value) if key in {"ts_raw", "run", "ts_utc"} else value for key, value in row.items()}
    return told | {"source": f"{source['title']} {source['url']}".strip()}
