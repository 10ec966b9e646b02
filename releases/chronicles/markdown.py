"""Chronicles: Markdown whose headings are dates, as BigScience wrote them. Every heading becomes an entry. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

from releases.chronicles import stamps
from releases.chronicles.drafts import ID_MAX, TEXT_MAX, TITLE_MAX, Draft, Parsed, Problem
from releases.sentences import Sentence

_COUNT: Final = 10
"""Characters that the number of equal headings takes at the most."""
SHORT: Final = 60
"""Characters of a first line that may stand for a title."""
_markdown: Final = MarkdownIt("commonmark")
_ON_CALL: Final = re.compile(r"\[([^\]]{1,80})\]\s*(?!\()")
"""Who was on call, between stamp and run in an index of runs."""
_RUN: Final = re.compile(
    r"(?:run\s+)?(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?(?:[._][A-Za-z]\w{0,100})?)(?=[\s:,;)–—-]|$)", re.IGNORECASE
)
"""`12.45.2`, `12.47.name_rerun2`: lineage, number, retry, whose own rerun."""
_STEP: Final = re.compile(r"\b(?:steps?|iterations?|iter|it\.)\s+~?(\d{1,3}(?:[,']\d{3})+|\d+)\b(k\b)?", re.IGNORECASE)
_GUESSES: Final = (
    ("divergence", r"spike|diverge|instabilit|\bnan\b"),
    ("loss_scale", r"loss scal"),
    ("hardware", r"hardware|\bgpus?\b.*\b(crash|fail|fault)|\becc\b|\bnodes?\b"),
    ("bug", r"\bbugs?\b|\bfix(es|ed|ing)?\b|out of sync"),
    ("incident", r"hang(s|ing)?\b|crash|outage|killed|doesn't quit"),
    ("restart", r"restart|requeue|resum"),
    ("launch", r"^launch"),
    ("complete", r"complete|finished"),
    ("software", r"throughput|upgrade|\bversion\b"),
    ("hyperparameter", r"learning rate|\blr\b|\bclip|weight decay|batch size"),
    ("optimizer", r"optimi[sz]er|\badam\b|\bsgd\b"),
    ("data", r"\bdata(set)?\b|corpus"),
    ("checkpoint", r"checkpoint"),
)
"""What the words of a title speak of, the first that fits."""


@dataclass(frozen=True, slots=True)
class _Heading:
    line: int
    """From 0: its first line, and the one after its last."""
    end: int
    level: int
    title: str
    stamp: stamps.Stamp
    rest: str
    """The title behind its stamp."""


def parse(text: str, *, name: str, year: int | None = None, zone: str = "") -> Parsed:
    """The entries of a chronicle. `name` is the file's; `year` completes dates without one; `zone` times without one.

    Nothing is left out: text before the first heading is an entry, and a heading without text is the trail to those
    below it, or an entry where none is.
    """
    lines = text.replace("\r\n", "\n").replace("\0", "").split("\n")
    headings = list(_headings("\n".join(lines), year=year, zone=zone))
    seen: Counter[str] = Counter()
    entries: list[Draft] = []
    opening = "\n".join(lines[: headings[0].line] if headings else lines).strip()
    if opening:
        entries.append(Draft(line=1, ref=f"{name}#", title=name, text=opening, source=name))
    above: list[_Heading] = []
    for place, heading in enumerate(headings):
        while above and above[-1].level >= heading.level:
            above.pop()
        trail = [each.title for each in above]
        above.append(heading)
        following = headings[place + 1] if place + 1 < len(headings) else None
        body = "\n".join(lines[heading.end : following.line if following else len(lines)]).strip("\n").rstrip()
        if not body and not heading.stamp.raw and following and following.level > heading.level:
            continue  # it names a part, and stands in the trail of those below it
        seen[heading.title] += 1
        ref = _ref(name, heading.title, seen[heading.title])
        source = ", ".join((f"{name}:{heading.line + 1}", *trail))
        entries.append(_entry(heading, body, ref=ref, source=source))
    return Parsed(entries, problems=_problems(entries))


def guess(words: str) -> str:
    """The kind that a title speaks of; `note` when it does not say."""
    return next((kind for kind, pattern in _GUESSES if re.search(pattern, words, re.IGNORECASE)), "note")


def _entry(heading: _Heading, body: str, *, ref: str, source: str) -> Draft:
    raw = heading.stamp.raw
    rest = heading.rest.lstrip(":–—- ") if raw else heading.rest
    if raw and (on_call := _ON_CALL.match(rest)):
        raw, rest = f"{raw} [{on_call[1]}]", rest[on_call.end() :]
    run = _RUN.match(rest) if raw else None
    title = (rest[run.end() :] if run else rest).lstrip(":–—- ")
    step = _STEP.search(title)
    if len(title) > TITLE_MAX:
        title, body = title[: TITLE_MAX - 1] + "…", f"{title}\n\n{body}".rstrip()
    if not title and not body:
        title = run[0] if run else raw
    first = body.partition("\n")[0]
    words = title or (first if len(first) <= SHORT else "")
    return Draft(
        line=heading.line + 1, ref=ref, raw_stamp=raw, at=heading.stamp.at, confidence=heading.stamp.confidence,
        run=run[1] if run else "", step=_number(step) if step else None, kind=guess(words), title=title, text=body,
        source=source,
    )  # fmt: skip


def _headings(text: str, *, year: int | None, zone: str) -> Iterator[_Heading]:
    """Headings as Markdown has them: not the `#` of comments in code."""
    tokens = _markdown.parse(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            title = " ".join(tokens[place + 1].content.split())
            stamp, rest = stamps.leading(title, year=year, zone=zone)
            yield _Heading(token.map[0], token.map[1], int(token.tag[1]), title, stamp, rest)


def _ref(name: str, title: str, count: int) -> str:
    """The source's name and the heading, or the heading's digest where both are longer than an id may be."""
    named = f"{name}#{title}"
    if len(named) > ID_MAX - _COUNT:
        named = f"{name[:100]}#{hashlib.sha256(title.encode()).hexdigest()[:24]}"
    return named + (f"#{count}" if count > 1 else "")


def _number(found: re.Match[str]) -> int | None:
    """The step; None for more digits than any has."""
    digits = re.sub(r"\D", "", found[1])
    return int(digits) * (1000 if found[2] else 1) if len(digits) < 16 else None


def _problems(entries: list[Draft]) -> list[Problem]:
    long = Sentence(
        "The text has more than %(most)s characters. Put a heading in between, or shorten the log that it quotes.",
        most=TEXT_MAX,
    )
    return [Problem(entry.line, long) for entry in entries if len(entry.text) > TEXT_MAX]
