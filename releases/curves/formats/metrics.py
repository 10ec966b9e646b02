"""metrics.jsonl: one JSON object a line, as most training loops write it; nested objects become names with a slash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from releases.curves.formats import lines
from releases.curves.rows import Row, of_mappings


def read(file: IO[bytes]) -> Iterator[Row]:
    """Rows of the file, in its order."""
    return of_mappings(map(flat, lines.objects(file)))


def flat(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with objects inside it unfolded, one level: {"train": {"loss": 2}} is {"train/loss": 2}."""
    if dict not in map(type, found.values()):
        return found
    plain: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            plain |= {f"{name}/{inner}": number for inner, number in value.items()}
        else:
            plain[name] = value
    return plain
