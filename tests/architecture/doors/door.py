"""What a line of the table is, and the words in which it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.architecture.scene import DEAD, EVERYBODY, PEOPLE, TOKENS

Answers = Mapping[str, str]
GROUPS: Final = {
    "people": PEOPLE, "tokens": TOKENS, "dead": DEAD, "staff": ("reviewer", "manager", "administrator"),
}  # fmt: skip


def answers(default: str, **words: str) -> Answers:
    """The default for everybody, then the named groups and roles in the order written."""
    told = dict.fromkeys(EVERYBODY, default)
    for name, word in words.items():
        told |= dict.fromkeys(GROUPS.get(name, (name,)), word)
    return told


def like(group: Answers, **words: str) -> Answers:
    """A group with some roles changed."""
    told = dict(group)
    for name, word in words.items():
        told |= dict.fromkeys(GROUPS.get(name, (name,)), word)
    return told


@dataclass(frozen=True)
class Door:
    """One address."""

    route: str
    get: Answers | None
    post: Answers | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    send: Mapping[str, Any] = field(default_factory=dict)
    bearer_alone: bool = False
    any_method: bool = False
