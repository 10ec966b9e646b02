"""Sentences that are kept and read later, by others: the words as they are translated, and the values in their places.

Plain Python, for rules, and for the child that reads a stranger's file. What a check finds is kept once, in no language;
`spoken.py` says it in the reader's, and `str()` in English, as programs and the audit trail have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

NAMED_MAX: Final = 5
"""Of a list so many are named; then it says how many more there are."""
_PLACES: Final = re.compile(r"%\(\w+\)s|%%")
_AS_TOLD: Final = "%(said)s"
"""What stands in no catalogue."""


@dataclass(frozen=True, slots=True)
class Some:
    """The first few of a list, and how many more there are."""

    named: tuple[str | int, ...]
    more: int


class Sentence:
    """`text` with a `%(name)s` for each value: a word as it is, a number, a list of which the first few are named, or a part
    that is a sentence itself. Every text is a message for translators, by the name of this class (`infra.messages`).
    """

    __slots__ = ("text", "values")

    def __init__(self, text: str, /, **values: str | int | float | Sentence | Some | Iterable[str | int]) -> None:
        self.text = text
        self.values: dict[str, str | int | float | Sentence | Some] = {
            name: value if isinstance(value, str | int | float | Sentence | Some) else _some(value)
            for name, value in values.items()
        }

    def __str__(self) -> str:
        return self.text % {name: _english(value) for name, value in self.values.items()}

    def __repr__(self) -> str:
        return f"Sentence({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and (self.text, self.values) == (other.text, other.values)

    def __hash__(self) -> int:
        return hash(str(self))

    def kept(self) -> dict[str, Any]:
        """As JSON: `message` is the English sentence, for whoever reads it without us."""
        return {
            "message": str(self),
            "text": self.text,
            "values": {name: _kept(value) for name, value in self.values.items()},
        }


def restored(kept: object) -> Sentence:
    """What `kept()` gave. Of another shape, as from before there was one, it is told as it is, in the words that it has."""
    if not isinstance(kept, dict):
        return Sentence(_AS_TOLD, said=str(kept))
    try:
        found = Sentence(
            _plain(str(kept["text"])), **{name: _restored(value) for name, value in kept["values"].items()}
        )
        str(found)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return Sentence(_AS_TOLD, said=str(kept.get("message", "")))
    return found


def _plain(text: str) -> str:
    """A text whose places say a name and nothing else: a stranger's file may have had it written, and a width of a thousand
    million fills the memory. Raises ValueError.
    """
    if "%" in _PLACES.sub("", text):
        raise ValueError(text)
    return text


def _some(values: Iterable[str | int]) -> Some:
    listed = list(values)
    return Some(tuple(listed[:NAMED_MAX]), max(0, len(listed) - NAMED_MAX))


def _kept(value: str | int | float | Sentence | Some) -> object:
    if isinstance(value, Some):
        return {"named": list(value.named), "more": value.more}
    return value.kept() if isinstance(value, Sentence) else value


def _restored(value: Any) -> Any:  # noqa: ANN401 whatever JSON can say
    if not isinstance(value, dict):
        return value if isinstance(value, int | float) else str(value)
    return Some(tuple(value["named"]), int(value["more"])) if "named" in value else restored(value)


def _english(value: str | int | float | Sentence | Some) -> str:
    if isinstance(value, Some):
        named = ", ".join(_english(each) for each in value.named)
        return f"{named} and {value.more:,} more" if value.more else named
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
