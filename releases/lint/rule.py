"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from releases.lint.candidate import Candidate


class Severity(StrEnum):
    """Whether a finding stops publishing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """A name, how much it weighs, and the function that finds."""

    name: str
    severity: Severity
    look: Callable[[Candidate], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of one rule."""

    rule: str
    severity: Severity
    message: str


def error(name: str, look: Callable[[Candidate], Iterable[str]]) -> Rule:
    """A rule that stops publishing."""
    return Rule(name, Severity.ERROR, look)


def warning(name: str, look: Callable[[Candidate], Iterable[str]]) -> Rule:
    """A rule whose findings are shown."""
    return Rule(name, Severity.WARNING, look)


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
