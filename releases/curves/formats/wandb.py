"""History exports of Weights & Biases: JSON lines of `scan_history()`, its CSV, and the CSV of a chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from portal.errors import Invalid
from releases.curves.formats import lines, metrics
from releases.curves.rows import Row, of_mappings

_OF_RUN = re.compile(r"^(?P<run>.+?) - (?P<name>.+)$")
_BOUND = re.compile(r"__(MIN|MAX)$")


def read_lines(file: IO[bytes]) -> Iterator[Row]:
    """Rows of a history as JSON lines: `_step` and `_timestamp` are the axes."""
    return of_mappings(map(metrics.flat, lines.objects(file)))


def read_table(file: IO[bytes]) -> Iterator[Row]:
    """Rows of a history as CSV. A chart's own export names each column “run - series”, with its bounds beside it."""
    return of_mappings(_numbers(lines.table(file)))


def _numbers(table: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    columns: dict[str, str] = {}
    for line in table:
        columns = columns or _series(line)
        told = ((name, line[column]) for name, column in columns.items())
        yield {name: text if (value := lines.number(text)) is None else value for name, text in told if text != ""}


def _series(columns: Iterable[str]) -> dict[str, str]:
    """Series → its column. Raises Invalid where two are one series: a chart of several runs, of which we draw one."""
    found: dict[str, str] = {}
    for column in columns:
        if _BOUND.search(column):
            continue
        named = _OF_RUN.match(column)
        name = named["name"] if named else column
        if name in found:
            raise Invalid(f"{found[name]} and {column} are the same series of two runs. Export the chart with one run.")
        found[name] = column
    return found
