"""A draft of the public summary of training content that the EU's AI Act asks of providers of general-purpose models.

Laid out in the three parts of the Commission's template of 24 July 2025, in our own words, and filled from the data
card's `training_content`. It is a draft and no legal advice, and says so; what the card does not tell is “not stated”.
"""

from __future__ import annotations

from typing import Any, Final

from releases.exports.facts import Facts, text, texts

NOT_STATED: Final = "not stated"
KINDS: Final = {
    "public_dataset": "2.1 Publicly available datasets",
    "licensed": "2.2.1 Data licensed by holders of rights",
    "private": "2.2.2 Other private datasets from third parties",
    "crawled": "2.3 Data collected from online sources by crawling",
    "user": "2.4 Data of users",
    "synthetic": "2.5 Synthetic data",
    "other": "2.6 Other sources",
}
"""Kinds of sources as the data card names them, by the template's headings."""
_SIZES: Final = (
    (10**9, "less than 1 billion tokens"),
    (10**13, "1 billion to 10 trillion tokens"),
    (None, "more than 10 trillion tokens"),
)
_DRAFT: Final = (
    "> **Draft.** Made by a program from the release's data card. It is not a statement under Article 53(1)(d) of "
    "Regulation (EU) 2024/1689 and no legal advice: a person at the provider must read, complete and answer for it."
)


def document(facts: Facts) -> bytes:
    """The draft as Markdown."""
    told = facts.data.get("training_content")
    content: dict[str, Any] = told if isinstance(told, dict) else {}
    parts = [f"# Public summary of training content: {facts.model}", _DRAFT, *_general(facts, content)]
    parts += [*_sources(content), *_processing(content)]
    return ("\n\n".join(parts) + "\n").encode()


def _general(facts: Facts, content: dict[str, Any]) -> list[str]:
    site = f" ({facts.lab.site})" if facts.lab.site else ""
    tokens = content.get("tokens")
    counted = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0
    rows = {
        "Provider": _line(facts.lab.name + site),
        "Contact": facts.lab.contact or NOT_STATED,
        "Model and version": f"{facts.model}, revision {facts.commit}",
        "Weight id": facts.weight_id or NOT_STATED,
        "Made from": ", ".join(map(_line, facts.bases)) or NOT_STATED,
        "Published": facts.day.isoformat(),
        "Kinds of content": _list(content.get("modalities")),
        "Size": f"{_size(tokens)} ({tokens:,} counted)" if counted and isinstance(tokens, int) else NOT_STATED,
        "Languages": _list(content.get("languages") or facts.data.get("language")),
        "Newest data": _said(content.get("latest_acquisition")),
        "Still being collected": _yes(content.get("ongoing")),
    }
    table = "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return ["## 1 General information", table]


def _sources(content: dict[str, Any]) -> list[str]:
    given = content.get("sources")
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    parts = ["## 2 Sources of the data"]
    for kind, heading in KINDS.items():
        found = [_source(row) for row in rows if row.get("kind") == kind]
        parts += [f"### {heading}", "\n".join(found) if found else _none(rows)]
    return parts


def _processing(content: dict[str, Any]) -> list[str]:
    return [
        "## 3 Processing of the data",
        f"### 3.1 Reservations of rights\n\n{_said(content.get('rights'))}",
        f"### 3.2 Unlawful content\n\n{_said(content.get('illegal_content'))}",
        f"### 3.3 Other\n\n{_said(content.get('other'))}",
    ]


def _none(rows: list[dict[str, Any]]) -> str:
    """A card that lists sources says with its silence that there are no others; one that lists none says nothing."""
    return "None listed." if rows else f"{NOT_STATED.capitalize()}."


def _source(row: dict[str, Any]) -> str:
    about = [_line(value) for name in ("description", "licence", "period", "url") if (value := text(row.get(name)))]
    return f"- **{_line(text(row.get('name'), 200)) or NOT_STATED}**" + (": " + "; ".join(about) if about else "")


def _size(tokens: int) -> str:
    return next(words for limit, words in _SIZES if limit is None or tokens < limit)


def _yes(value: object) -> str:
    if not isinstance(value, bool):
        return NOT_STATED
    return "yes" if value else "no"


def _said(value: object) -> str:
    return _line(text(value)) or NOT_STATED


def _list(value: object) -> str:
    return ", ".join(map(_line, texts(value))) or NOT_STATED


def _line(value: str) -> str:
    """One line that cannot end a table's cell or begin a heading."""
    return " ".join(value.split()).replace("|", "\\|")
