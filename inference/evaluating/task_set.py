"""A task set as a file: JSON Lines, the first line about all of it, every further line one item. No framework.

Read whole or not at all; what is wrong is told with its line, and nothing of the line's own text is repeated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

FILE_MAX: Final = 20_000_000
"""Bytes."""
SHOWN: Final = 20
"""Problems that are told; the rest is counted."""
CHOICES: Final = 63
"""Of one item: a request holds 64 prompts, and one of them is the context alone."""
ID: Final = re.compile(r"[!-~]{1,128}")
"""An item's name: printable ASCII without spaces."""
_KINDS: Final = ("capability", "bias", "toxicity", "probe")


class Type(StrEnum):
    """How items are asked and marked."""

    MULTIPLE_CHOICE = "multiple_choice"
    EXACT_MATCH = "exact_match"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Item:
    """One item: a prompt (a whole text, of `texts`), its choices, and what is right: the index, or any of these words."""

    id: str
    prompt: str
    choices: tuple[str, ...] = ()
    answer: int = 0
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSet:
    """A file, read. `sha256` is that of its bytes."""

    task: str
    type: Type
    licence: str
    sha256: str
    items: tuple[Item, ...]
    version: str = ""
    source: str = ""
    kind: str = ""
    """As in evaluation_metrics; empty: by the task's name."""
    shots: int = 0
    prompt: str = ""
    """The prompt's name."""
    delimiter: str = " "
    """Between a context and each choice."""
    max_tokens: int = 32
    stop: tuple[str, ...] = ("\n",)

    @property
    def told_version(self) -> str:
        """The version by which two scores may be compared: only the same bytes are the same tasks."""
        return "+".join(part for part in (self.version, self.sha256[:12]) if part)


@dataclass(frozen=True, slots=True)
class Wrong(Exception):
    """What is wrong with a file, each with its line."""

    problems: list[str] = field(default_factory=list)


def read(content: bytes, *, most: int) -> TaskSet:
    """The task set of a file with at most `most` items. Raises Wrong."""
    if len(content) > FILE_MAX:
        raise Wrong([f"The file has more than {FILE_MAX:,} bytes. Make several task sets of it."])
    lines = [(number, text) for number, text in enumerate(content.splitlines(), 1) if text.strip()]
    if not lines:
        raise Wrong(["The file is empty. Its first line says what it is, every further one is an item."])
    if len(lines) - 1 > most:
        raise Wrong([f"The file has more than {most:,} items. Make several task sets of it."])
    problems: list[str] = []
    told = _object(*lines[0], problems)
    head = _head(told, lines[0][0], problems) if told is not None else {}
    if problems:
        raise Wrong(problems)
    items = _items(head["type"], lines[1:], problems)
    if not items and not problems:
        problems.append("The file has no items. Write one JSON object per line after the first.")
    if problems:
        more = [f"There are {len(problems) - SHOWN:,} more."] if len(problems) > SHOWN else []
        raise Wrong([*problems[:SHOWN], *more])
    return TaskSet(**head, sha256=hashlib.sha256(content).hexdigest(), items=tuple(items))


def _object(number: int, text: bytes, problems: list[str]) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text)
    except orjson.JSONDecodeError as error:
        problems.append(f"Line {number}: this is not JSON in UTF-8 ({error.msg}).")
        return None
    if not isinstance(value, dict):
        problems.append(f"Line {number}: each line is a JSON object.")
        return None
    return value


Check = Callable[[object], bool]


def _text(most: int, *, least: int = 1) -> Check:
    def fits(value: object) -> bool:
        return isinstance(value, str) and least <= len(value) <= most and "\0" not in value

    return fits


def _whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _texts(least: int, most: int, length: int) -> Check:
    def fits(value: object) -> bool:
        return isinstance(value, list) and least <= len(value) <= most and all(map(_text(length), value))

    return fits


_HEAD: Final[Mapping[str, tuple[Check, str]]] = {
    "task": (_text(160), "the name of the task, at most 160 characters"),
    "type": (lambda value: value in list(Type), f"one of {', '.join(Type)}"),
    "licence": (_text(120), "the licence of the task set, at most 120 characters, such as CC-BY-4.0"),
    "version": (_text(19), "at most 19 characters"),
    "source": (lambda v: _text(500)(v) and str(v).startswith(("https://", "http://")), "an address on the web"),
    "kind": (lambda value: value in _KINDS, f"one of {', '.join(_KINDS)}"),
    "shots": (_whole(0, 10_000), "a whole number: how many worked examples each prompt holds"),
    "prompt": (_text(300), "the prompt's name, at most 300 characters"),
    "delimiter": (_text(16, least=0), "at most 16 characters between context and choice"),
    "max_tokens": (_whole(1, 4096), "a whole number from 1 to 4096"),
    "stop": (_texts(1, 4, 64), "1 to 4 texts of at most 64 characters"),
}
"""Member of the first line → whether a value fits, and what it is."""
_NEEDED: Final = ("task", "type", "licence")
_ONLY: Final = {"delimiter": Type.MULTIPLE_CHOICE, "max_tokens": Type.EXACT_MATCH, "stop": Type.EXACT_MATCH}
_ITEM: Final[Mapping[Type, Mapping[str, tuple[Check, str]]]] = {
    Type.MULTIPLE_CHOICE: {
        "context": (lambda v: _text(1_000_000)(v) and bool(str(v).strip()), "the text before the choice"),
        "choices": (_texts(2, CHOICES, 100_000), f"2 to {CHOICES} texts"),
        "answer": (_whole(0, CHOICES - 1), "the place of the right choice, from 0"),
    },
    Type.EXACT_MATCH: {
        "prompt": (_text(1_000_000), "what the model goes on from"),
        "answers": (_texts(1, 100, 10_000), "1 to 100 right answers"),
    },
    Type.TEXTS: {"text": (_text(1_000_000), "the text to measure")},
}
"""Members of an item by the type of its task set, each of them needed; `id` beside them may be left out."""


def _head(told: dict[str, Any], line: int, problems: list[str]) -> dict[str, Any]:
    _checked(told, _HEAD, _NEEDED, line, problems)
    for name, kind in _ONLY.items():
        if name in told and told.get("type") != kind:
            problems.append(f"Line {line}: {name} belongs to {kind} alone. Leave it out.")
    if problems:
        return {}
    head = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return head | {"type": Type(told["type"])}


def _checked(
    told: Mapping[str, Any], known: Mapping[str, tuple[Check, str]], needed: tuple[str, ...], line: int,
    problems: list[str],
) -> None:  # fmt: skip
    unknown = sorted(told.keys() - known.keys())
    if unknown:
        problems.append(f"Line {line}: there is no such member here; it may hold {', '.join(known)}.")
    for name, (fits, what) in known.items():
        if name in told and not fits(told[name]):
            problems.append(f"Line {line}: {name} must be {what}.")
        elif name not in told and name in needed:
            problems.append(f"Line {line}: {name} is missing: {what}.")


def _items(kind: Type, lines: list[tuple[int, bytes]], problems: list[str]) -> list[Item]:
    found: dict[str, Item] = {}
    for place, (number, text) in enumerate(lines, 1):
        before = len(problems)
        told = _object(number, text, problems)
        if told is None:
            continue
        name = told.pop("id", str(place))
        if not isinstance(name, str) or not ID.fullmatch(name):
            problems.append(f"Line {number}: id must be 1 to 128 printable characters without spaces.")
        elif name in found:
            problems.append(f"Line {number}: another item has this id.")
        _checked(told, _ITEM[kind], tuple(_ITEM[kind]), number, problems)
        if len(problems) == before and kind is Type.MULTIPLE_CHOICE and told["answer"] >= len(told["choices"]):
            problems.append(f"Line {number}: answer must be a place among the choices, from 0.")
        if len(problems) == before:
            found[name] = _item(kind, name, told)
    return list(found.values())


def _item(kind: Type, name: str, told: dict[str, Any]) -> Item:
    if kind is Type.MULTIPLE_CHOICE:
        return Item(name, told["context"], tuple(told["choices"]), told["answer"])
    if kind is Type.EXACT_MATCH:
        return Item(name, told["prompt"], answers=tuple(told["answers"]))
    return Item(name, told["text"])
