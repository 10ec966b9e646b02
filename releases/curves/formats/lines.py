"""Lines of text and JSON, read one at a time with a bound on each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Any, Final

import orjson

from portal.errors import Invalid

LONGEST: Final = 1 << 20
"""Bytes of one line."""
_MOST_COLUMNS: Final = 2000
_OTHER_MARKS: Final = ";\t"
"""What spreadsheets part columns by where a comma begins the decimals."""


def objects(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON object of each line; empty lines are passed over. Raises Invalid with the number of a line that is none.

    NaN and Infinity, which JSON does not have and Python writes, are read.
    """
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise Invalid(f"Line {number} is longer than {LONGEST} bytes. Each line holds one JSON object.")
        if line.isspace():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            found = _leniently(line)
        if type(found) is not dict:
            raise Invalid(
                f'Line {number} is not a JSON object. Each line holds one, such as {{"step": 1, "loss": 2.5}}.'
            )
        yield found


def table(file: IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file by the names in its head, each with all of them. Raises Invalid where it has none, or is no text."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        rows = _Rows(text)
        reader = csv.reader(rows)
        head = next(reader, [])
        if len(head) == 1 and any(mark in head[0] for mark in _OTHER_MARKS):
            raise Invalid(
                "The columns are not parted by commas. Save it with commas between the columns and points in numbers: "
                "some spreadsheets write semicolons and 0,5."
            )
        if not head or len(head) > _MOST_COLUMNS or len(set(head)) != len(head):
            raise Invalid("The first line must name the columns, each once.")
        for cells in filter(None, reader):
            rows.taken = 0
            yield dict(zip_longest(head, cells[: len(head)], fillvalue=""))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Invalid(f"This is not a CSV file in UTF-8: {error}") from None
    finally:
        text.detach()


class _Rows:
    """Lines for a reader of CSV, which asks for more while a cell in quotes goes on. A row is no longer than a line may be."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._number, self.taken = text, 0, 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST + 1):
            self._number += 1
            self.taken += len(line)
            if self.taken > LONGEST:
                raise Invalid(f"The row at line {self._number} is longer than {LONGEST} characters.")
            yield line


def number(text: str) -> float | int | None:
    """A number as CSV writes it; None for anything else, empty cells too."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _leniently(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
