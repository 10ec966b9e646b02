"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from releases.lint.candidate import Candidate
from releases.sentences import Sentence


class Severity(StrEnum):
    """Whether a finding stops publishing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """A name, how much it weighs, and the function that finds."""

    name: str
    severity: Severity
    look: Callable[[Candidate], Iterable[Sentence]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of one rule."""

    rule: str
    severity: Severity
    said: Sentence

    @property
    def message(self) -> str:
        """In English."""
        return str(self.said)


def error(name: str, look: Callable[[Candidate], Iterable[Sentence]]) -> Rule:
    """A rule that stops publishing."""
    return Rule(name, Severity.ERROR, look)


def warning(name: str, look: Callable[[Candidate], Iterable[Sentence]]) -> Rule:
    """A rule whose findings are shown."""
    return Rule(name, Severity.WARNING, look)
