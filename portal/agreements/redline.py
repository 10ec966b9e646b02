"""What changed between two texts: paragraph by paragraph, and word by word inside a paragraph that was edited.

Plain Python. A redline loses nothing: `before()` and `after()` give back both texts to the letter, and a property test
holds them to it. What a page shows is the blocks; the white space between paragraphs is kept, never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import groupby
from typing import Final, Literal

Kind = Literal["same", "ins", "del"]

_BETWEEN: Final = re.compile(r"(\n\s*\n)")
_TOKEN: Final = re.compile(r"[\w’'-]+[^\S\n]*|[^\w\s]|\s+")
_HEADING: Final = re.compile(r"#{1,3} +")
_ALIKE: Final = 0.5
"""Below this share of common words, two paragraphs are one taken out and one put in."""
_LARGEST: Final = 1_000_000
"""Compared pairs of tokens above which a stretch is shown as replaced whole: bounds the time, not the truth."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text that stayed, came or went."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, with the white space that followed it in the old and in the new text."""

    runs: tuple[Run, ...]
    gap_before: str = ""
    gap_after: str = ""

    @property
    def changed(self) -> bool:
        """Whether a reader sees a change in it."""
        return any(run.kind != "same" for run in self.runs)

    @property
    def heading(self) -> bool:
        """Whether it is set as a heading: its marks stand in every run that can begin it."""
        return bool(_HEADING.match(self.runs[0].text)) and all(
            _HEADING.match(text) for text in (_side((self,), "ins"), _side((self,), "del")) if text
        )

    @property
    def shown(self) -> tuple[Run, ...]:
        """The runs without the marks of a heading."""
        if not self.heading:
            return self.runs
        return tuple(Run(run.kind, _HEADING.sub("", run.text, count=1)) for run in self.runs)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring blocks that are all changed, or all not: what a page shows together, or counts and leaves out."""

    changed: bool
    blocks: tuple[Block, ...]


@lru_cache(maxsize=128)
def redline(old: str, new: str) -> tuple[Block, ...]:
    """The changes that make `new` of `old`. Published texts never change, so answers are kept."""
    left, right = _paragraphs(old), _paragraphs(new)
    blocks: list[Block] = []
    for a, b, c, d, same in _matches([text for text, _ in left], [text for text, _ in right]):
        if same:
            pairs = zip(left[a:b], right[c:d], strict=True)
            blocks += [Block((Run("same", text),), gap, other) for (text, gap), (_, other) in pairs]
        else:
            blocks += _replaced(left[a:b], right[c:d])
    return tuple(blocks)


def before(blocks: Iterable[Block]) -> str:
    """The old text, to the letter."""
    return "".join(_side((block,), "ins") + block.gap_before for block in blocks)


def after(blocks: Iterable[Block]) -> str:
    """The new text, to the letter."""
    return "".join(_side((block,), "del") + block.gap_after for block in blocks)


def stretches(blocks: Iterable[Block]) -> list[Stretch]:
    """The blocks in order, grouped by whether they changed."""
    return [Stretch(changed, tuple(group)) for changed, group in groupby(blocks, key=lambda block: block.changed)]


def _side(blocks: Iterable[Block], without: Kind) -> str:
    return "".join(run.text for block in blocks for run in block.runs if run.kind != without)


def _paragraphs(text: str) -> list[tuple[str, str]]:
    """(paragraph, white space after it), joined again exactly the text."""
    parts = [*_BETWEEN.split(text), ""]
    pairs = []
    for body, gap in zip(parts[0::2], parts[1::2], strict=True):
        kept = body.rstrip()
        pairs.append((kept, body[len(kept) :] + gap))
    return pairs


def _matches(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[int, int, int, int, bool]]:
    """Ranges of both sides in order, and whether they are equal. What both begin and end with is not compared."""
    shorter = min(len(left), len(right))
    head = next((n for n in range(shorter) if left[n] != right[n]), shorter)
    tail = next((n for n in range(shorter - head) if left[-1 - n] != right[-1 - n]), shorter - head)
    inner, outer = left[head : len(left) - tail], right[head : len(right) - tail]
    if head:
        yield 0, head, 0, head, True
    if len(inner) * len(outer) > _LARGEST:
        yield head, head + len(inner), head, head + len(outer), False
    else:
        for tag, a, b, c, d in SequenceMatcher(None, inner, outer, autojunk=False).get_opcodes():
            yield head + a, head + b, head + c, head + d, tag == "equal"
    if tail:
        yield len(left) - tail, len(left), len(right) - tail, len(right), True


def _replaced(left: list[tuple[str, str]], right: list[tuple[str, str]]) -> Iterator[Block]:
    """Paragraphs in place of others: pairs that are alike word by word, the rest taken out and put in."""
    for index in range(max(len(left), len(right))):
        old, gap_before = left[index] if index < len(left) else ("", "")
        new, gap_after = right[index] if index < len(right) else ("", "")
        runs = _words(old, new)
        if old and new and _alike(old, new, runs) < _ALIKE:
            yield Block((Run("del", old),), gap_before, "")
            yield Block((Run("ins", new),), "", gap_after)
        else:
            yield Block(runs or (Run("same", ""),), gap_before, gap_after)


def _alike(old: str, new: str, runs: Sequence[Run]) -> float:
    kept = sum(len(run.text) for run in runs if run.kind == "same")
    return 2 * kept / (len(old) + len(new))


def _words(old: str, new: str) -> tuple[Run, ...]:
    left, right = _TOKEN.findall(old), _TOKEN.findall(new)
    matches = list(_matches([token.rstrip() for token in left], [token.rstrip() for token in right]))
    runs: list[Run] = []
    for index, (a, b, c, d, same) in enumerate(matches):
        if same and (_has_word(left[a:b]) or index in {0, len(matches) - 1}):
            runs += _kept(left[a:b], right[c:d])
        else:  # a comma or a space between two changes is part of the change: whole phrases read better
            runs += [Run("del", "".join(left[a:b])), Run("ins", "".join(right[c:d]))]
    return _joined(runs)


def _kept(left: Sequence[str], right: Sequence[str]) -> Iterator[Run]:
    """Words that are in both, and the white space after them, which may differ."""
    for old, new in zip(left, right, strict=True):
        word = old.rstrip()
        yield Run("same", word)
        if old == new:
            yield Run("same", old[len(word) :])
        else:
            yield from (Run("del", old[len(word) :]), Run("ins", new[len(word) :]))


def _has_word(tokens: Sequence[str]) -> bool:
    return any(token[0].isalnum() for token in tokens)


def _joined(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Neighbours made one, each change as what went and then what came, and what is in both left alone."""
    joined: list[Run] = []
    for same, group in groupby((run for run in runs if run.text), key=lambda run: run.kind == "same"):
        members = list(group)
        if same:
            joined.append(Run("same", "".join(run.text for run in members)))
            continue
        gone = "".join(run.text for run in members if run.kind == "del")
        come = "".join(run.text for run in members if run.kind == "ins")
        if gone == come:
            joined.append(Run("same", gone))
        else:
            joined += [Run("del", gone)] * bool(gone) + [Run("ins", come)] * bool(come)
    return tuple(joined)
