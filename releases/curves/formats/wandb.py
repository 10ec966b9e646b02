"""History exports of Weights & Biases: JSON lines of `scan_history()`, its CSV, and the CSV of a chart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from releases.curves.formats import lines, metrics
from releases.curves.rows import Row, of_mappings

_OF_RUN = re.compile(r"^(?P<run>.+?) - (?P<name>.+)$")
_BOUND = re.compile(r"__(MIN|MAX)$")


def read_lines(file: IO[bytes]) -> Iterator[Row]:
    """Rows of a history as JSON lines: `_step` and `_timestamp` are the axes."""
    return of_mappings(map(metrics.flat, lines.objects(file)))


def read_table(file: IO[bytes]) -> Iterator[Row]:
    """Rows of a history as CSV. A chart's own export names each column “run - series”, with its bounds beside it."""
    return of_mappings(map(_numbers, lines.table(file)))


def _numbers(line: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, text in line.items():
        if _BOUND.search(column):
            continue
        named = _OF_RUN.match(column)
        value = lines.number(text)
        found[named["name"] if named else column] = text if value is None else value
    return {name: value for name, value in found.items() if value != ""}
