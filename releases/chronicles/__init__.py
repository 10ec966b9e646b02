"""Reads what people wrote of a training: Markdown chronicles, JSON, JSON lines. No framework, no I/O.

Raw stamps are kept beside what they mean, the order is the source's, and a problem names its line.
"""

from __future__ import annotations

from typing import Final

from releases.chronicles import markdown, records
from releases.chronicles.drafts import Parsed, Problem
from releases.sentences import Sentence

FORMATS: Final = ("markdown", "json")
RECORDS: Final = (
    "records/logbook.jsonl", "records/logbook.json", "records/logbook.md", "logbook.jsonl", "logbook.json",
    "logbook.md", "chronicles.md",
)  # fmt: skip
"""Files of a revision that hold its logbook; the first that is there counts."""
RECORD_MAX: Final = 64 << 20
"""Bytes of such a file."""
_TABLES: Final = (".csv", ".tsv")
_TABLE: Final = Sentence(
    "This is a table. A logbook is read from Markdown, JSON or JSON lines: write it as one of these (docs/logbook.md)."
)
_JSON: Final = Sentence(
    "This is JSON, not Markdown. Say that its format is json, or give it a name that ends in .json."
)


def read(text: str, *, name: str, kind: str = "", year: int | None = None, zone: str = "") -> Parsed:
    """What the text holds. `kind` is one of FORMATS; left out, the name's ending and then the text itself decide.

    JSON that is called Markdown is a problem: it would be one entry, of its braces; and so is a table by its ending. A
    byte order mark, which some editors put first, is no part of the text.
    """
    text = text.removeprefix("\ufeff")
    if not kind and name.lower().endswith(_TABLES):
        return Parsed([], problems=[Problem(1, _TABLE)])
    if (kind or _kind(name, text)) != "markdown":
        return records.parse(text, name=name, zone=zone)
    if records.is_json(text):
        return Parsed([], problems=[Problem(1, _JSON)])
    return markdown.parse(text, name=name, year=year, zone=zone)


def _kind(name: str, text: str) -> str:
    ending = name.lower().rpartition(".")[2]
    if ending in {"md", "markdown", "txt"}:
        return "markdown"
    return "json" if ending in {"json", "jsonl"} or text.lstrip(" \r\n\t").startswith(("{", "[")) else "markdown"
