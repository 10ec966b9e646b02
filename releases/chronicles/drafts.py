"""What an importer reads before anything is written: drafts of entries and runs, and what is wrong, by line. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from releases.sentences import Sentence

TITLE_MAX: Final = 300
TEXT_MAX: Final = 100_000
RAW_MAX: Final = 200
REF_MAX: Final = 400
ID_MAX: Final = 300
"""Characters of an id that a source gives, or that is made of its name and a heading."""
RUN_MAX: Final = 120
VALUES_MAX: Final = 20_000
"""Characters of `before` or `after` as JSON."""
KINDS: Final = frozenset({
    "decision", "launch", "restart", "rollback", "divergence", "hyperparameter", "optimizer", "loss_scale",
    "architecture", "configuration", "data", "bug", "hardware", "software", "storage", "vendor", "incident",
    "automation", "checkpoint", "evaluation", "milestone", "run_end", "complete", "note",
})  # fmt: skip
_FIRST_READ: Final = {"resume": "checkpoint"}
"""What words meant in digests that are kept. A frozen logbook would take another reading for another thing said."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry as a source tells it; `ref` is what the source knows it by, `line` where it begins there."""

    line: int
    ref: str
    raw_stamp: str = ""
    at: datetime | None = None
    confidence: str = "unknown"
    run: str = ""
    step: int | None = None
    kind: str = "note"
    raw_kind: str = ""
    severity: str = "info"
    title: str = ""
    text: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    supersedes: str = ""
    """The ref of an earlier entry; so is `annotates`."""
    annotates: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what it says. Where it stands in the source is no part: lines move."""
        kind = _FIRST_READ.get(self.raw_kind.strip().lower(), self.kind)
        told = [
            self.raw_stamp, self.at.isoformat() if self.at else "", self.confidence, self.run, self.step, kind,
            self.raw_kind, self.severity, self.title, self.text, self.before, self.after, self.supersedes,
            self.annotates,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunDraft:
    """One run, and the run it went on from, by name."""

    name: str
    kind: str = "start"
    parent: str = ""
    parent_step: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line, and what to do."""

    line: int
    said: Sentence

    @property
    def placed(self) -> Sentence:
        """The same with its line, to be kept, or read in the reader's language."""
        return Sentence("Line %(line)s: %(said)s", line=self.line, said=self.said)

    def __str__(self) -> str:
        return str(self.placed)


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that a source holds. Where there are problems nothing of it is imported."""

    entries: list[Draft]
    runs: list[RunDraft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
