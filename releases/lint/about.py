"""Rules on what the card says: links, units, scores, carbon, and the licence against the one that is public."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from markdown_it import MarkdownIt

from releases import footprints
from releases.lint.candidate import Candidate
from releases.lint.rule import Rule, warning
from releases.sentences import Sentence

_AMOUNT: Final = re.compile(r"(?<![\d.,])(\d{1,6}(?:[.,]\d{1,3})?)\s?([MGT])(i?)B\b")
_ELSEWHERE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_POWERS: Final = {"M": 2, "G": 3, "T": 4}
_CLOSE: Final = 0.006
_markdown: Final = MarkdownIt("commonmark").enable("table")


def _dead_links(candidate: Candidate) -> Iterator[Sentence]:
    folders = {path[:i] for path in candidate.paths for i, c in enumerate(path) if c == "/"}
    dead = [link for link in _links(candidate.text) if not _leads(link, candidate.paths | folders)]
    if dead:
        yield Sentence(
            "The card links to files that are not there: %(links)s. Add them or correct the links.",
            links=dict.fromkeys(dead),
        )


def _dead_elsewhere(candidate: Candidate) -> Iterator[Sentence]:
    if candidate.dead:
        yield Sentence(
            "The card links to pages that are not there: %(links)s. Correct the links or leave them out.",
            links=candidate.dead,
        )


def web_links(text: str) -> Iterator[str]:
    """Links and images of a Markdown text that lead to other servers, without what stands behind a `#`."""
    return (target.partition("#")[0] for target in _targets(text) if _WEB.match(target))


def _links(text: str) -> Iterator[str]:
    """Relative links and images of a Markdown text."""
    for target in _targets(text):
        if not _ELSEWHERE.match(target) and (path := target.partition("#")[0].partition("?")[0]):
            yield unquote(path)


def _targets(text: str) -> Iterator[str]:
    for block in _markdown.parse(text):
        for token in block.children or []:
            yield str(token.attrs.get("href") or token.attrs.get("src") or "")


def _leads(link: str, known: frozenset[str]) -> bool:
    path = posixpath.normpath(link)
    return path in known or path == "."


def _units(candidate: Candidate) -> Iterator[Sentence]:
    true = {file.size for file in candidate.files} | {sum(f.size for f in candidate.files)}
    true.add(sum(f.size for f in candidate.weights))
    for amount, prefix, binary in _AMOUNT.findall(candidate.text):
        power, value = _POWERS[prefix], float(amount.replace(",", "."))
        said, other = (1024, 1000) if binary else (1000, 1024)
        meant = [size for size in true if size > 10**6 and _near(size, value * other**power)]
        if meant and not any(_near(size, value * said**power) for size in true):
            unit, right = f"{prefix}{binary}B", f"{prefix}{'' if binary else 'i'}B"
            yield Sentence(
                "The card says %(amount)s %(unit)s where the bytes are %(amount)s %(right)s (%(bytes)s bytes). Correct the unit.",
                amount=amount, unit=unit, right=right, bytes=meant[0],
            )  # fmt: skip


def _near(size: float, value: float) -> bool:
    return abs(size - value) <= _CLOSE * value


def _scores(candidate: Candidate) -> Iterator[Sentence]:
    bare = [_title(result) for result in _results(candidate.card) if not _has_harness(result)]
    if bare:
        yield Sentence(
            "Scores in the card name no harness and version: %(names)s. Add source: name, so that others can repeat them.",
            names=bare,
        )


def _results(card: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 whatever YAML can say
    index = card.get("model-index")
    for model in index if isinstance(index, list) else []:
        results = model.get("results") if isinstance(model, dict) else None
        yield from (result for result in (results if isinstance(results, list) else []) if isinstance(result, dict))


def _title(result: dict[str, Any]) -> str:
    for key in ("dataset", "task"):
        said = result.get(key)
        if isinstance(said, dict) and (said.get("name") or said.get("type")):
            return str(said.get("name") or said.get("type"))[:80]
    return "without a name"


def _has_harness(result: dict[str, Any]) -> bool:
    source, metrics = result.get("source"), result.get("metrics")
    named = isinstance(source, dict) and bool(source.get("name") or source.get("url"))
    rows = metrics if isinstance(metrics, list) else []
    return named or (bool(rows) and all(isinstance(row, dict) and row.get("args") for row in rows))


def _carbon(candidate: Candidate) -> Iterator[Sentence]:
    said = candidate.card.get(footprints.CARD_KEY)
    if said is not None and not (isinstance(said, dict) and said.get("source")):
        yield Sentence("The card tells emissions and not how they were measured. Add source: to co2_eq_emissions.")


def _footprint(candidate: Candidate) -> Iterator[Sentence]:
    yield from footprints.faults(candidate.card, candidate.documents.get(footprints.RECORD))


def _licence_changed(candidate: Candidate) -> Iterator[Sentence]:
    public = candidate.public
    if (
        public
        and public.text
        and candidate.licence_text not in {"", public.text}
        and candidate.licence == public.licence
    ):
        yield Sentence(
            "The licence's text differs from the public one and has the same name. Give it a new version in its name."
        )


def _logbook(candidate: Candidate) -> Iterator[Sentence]:
    if candidate.logbook:
        yield Sentence(
            "The logbook is not shown before all of it can be read. Wrong in it: %(n)s; first: %(first)s",
            n=len(candidate.logbook), first=candidate.logbook[0],
        )  # fmt: skip


RULES: Final[tuple[Rule, ...]] = (
    warning("licence-changed", _licence_changed),
    warning("dead-links", _dead_links),
    warning("dead-links-elsewhere", _dead_elsewhere),
    warning("units", _units),
    warning("score-without-harness", _scores),
    warning("carbon-without-method", _carbon),
    warning("carbon-unreadable", _footprint),
    warning("logbook-unreadable", _logbook),
)
