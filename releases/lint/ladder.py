"""Rules on a ladder of checkpoints: branches, tags or folders named by their step.

Published ladders had the final weights under most of their steps, or lacked steps that their readers counted on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from releases.lint.candidate import Candidate, File
from releases.lint.rule import Rule, error, warning
from releases.sentences import Sentence

STEP: Final = r"(?:^|[-_/])(?:global_?)?(?:step|checkpoint|ckpt)[-_]?(\d{1,12})(?![\d.])"
"""Names by a step, whatever their case: as Python reads it and PostgreSQL too."""
_STEP: Final = re.compile(STEP, re.IGNORECASE)
_FEWEST: Final = 4
"""Steps without which nobody can say how far apart they should be."""


def step_of(name: str) -> int | None:
    """The step that a branch, tag or folder is named by."""
    found = _STEP.search(name)
    return int(found[1]) if found else None


def _own(candidate: Candidate) -> dict[int, set[str]]:
    """Digests of the candidate's weights by step: of its names, or else of its folders."""
    own: dict[int, set[str]] = {}
    steps = [step for name in candidate.names if (step := step_of(name)) is not None]
    for file in candidate.weights:
        folder = step_of(file.folder)
        for step in steps or ([] if folder is None else [folder]):
            own.setdefault(step, set()).add(file.sha256)
    return own


def _others(candidate: Candidate) -> Iterator[tuple[int, str, Iterable[File]]]:
    for sibling in candidate.siblings:
        if (step := step_of(sibling.name)) is not None:
            yield step, sibling.name, sibling.files


def _same_checkpoint(candidate: Candidate) -> Iterator[Sentence]:
    own = _own(candidate)
    for one, two in ((a, b) for a in sorted(own) for b in sorted(own) if a < b):
        if own[one] & own[two]:
            yield Sentence(
                "Steps %(one)s and %(two)s have weights in common. One of them was stored in place of the other.",
                one=one, two=two,
            )  # fmt: skip
    mine = {digest: step for step, digests in own.items() for digest in digests}
    same = sorted(
        {name for step, name, files in _others(candidate) if any(mine.get(f.sha256, step) != step for f in files)}
    )
    if same:
        yield Sentence(
            "Its weights are those of another step: %(names)s. One of them was stored in place of the other.",
            names=same,
        )


def _gaps(candidate: Candidate) -> Iterator[Sentence]:
    steps = sorted({*_own(candidate), *(step for step, _name, _files in _others(candidate))})
    apart = [b - a for a, b in pairwise(steps)]
    if not _own(candidate) or len(steps) < _FEWEST:
        return
    usual, times = Counter(apart).most_common(1)[0]
    if times * 2 < len(apart):
        return
    holes = ((a, b) for a, b in pairwise(steps) if b - a > usual and (b - a) % usual == 0)
    missing = [step for a, b in holes for step in range(a + usual, min(b, a + 1000 * usual), usual)]
    if missing:
        yield Sentence(
            "The ladder goes by %(usual)s steps and lacks %(missing)s. Add them, or say why not.",
            usual=usual, missing=missing,
        )  # fmt: skip


RULES: Final[tuple[Rule, ...]] = (
    error("same-checkpoint-twice", _same_checkpoint),
    warning("ladder-gaps", _gaps),
)
