"""What the database can keep. JSON and YAML can say three things that it cannot: a NUL, half of a character, and 1e999."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

_NUL: Final = "\0"
_STANDS_FOR_ANY: Final = "\ufffd"


def storable(said: object) -> bool:
    """Whether every text in what JSON said can be kept."""
    return all(_whole(each) for each in _each(said) if isinstance(each, str))


def finite(said: object) -> bool:
    """Whether every number in it can: one that is larger than any float is read as infinity."""
    return all(math.isfinite(each) for each in _each(said) if isinstance(each, float))


def mended(text: str) -> str:
    """The text with a sign in the place of each character that cannot be kept: for what files say, which stay as they are."""
    return text if _whole(text) else "".join(_STANDS_FOR_ANY if _odd(c) else c for c in text)


def all_mended(said: Any) -> Any:  # noqa: ANN401 whatever JSON can say
    """The same for every text in what JSON said; its tables and lists are changed in place."""
    top = [said]
    rest: list[Any] = [top]
    while rest:
        each = rest.pop()
        if isinstance(each, dict) and not all(map(_whole, each)):
            renamed = {mended(name): value for name, value in each.items()}
            each.clear()
            each.update(renamed)
        for at, value in list(each.items() if isinstance(each, dict) else enumerate(each)):
            if isinstance(value, str):
                each[at] = mended(value)
            elif isinstance(value, dict | list):
                rest.append(value)
    return top[0]


def _each(said: object) -> Iterator[object]:
    """Every name and value in it."""
    rest = [said]
    while rest:  # not by calls of itself: it may be nested as deeply as the parser goes
        each = rest.pop()
        if isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list):
            rest += each
        else:
            yield each


def _whole(text: str) -> bool:
    return _NUL not in text and (text.isascii() or not any(map(_odd, text)))


def _odd(character: str) -> bool:
    return character == _NUL or "\ud800" <= character <= "\udfff"
