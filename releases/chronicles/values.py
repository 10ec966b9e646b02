"""Parameters and measurements by name, which stand before and after an event: read from JSON so that they can be kept."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from portal.storable import all_mended
from releases.chronicles.drafts import VALUES_MAX

DEEPEST: Final = 50
"""Tables and lists in one another."""


def loads(text: str) -> Any:  # noqa: ANN401 whatever JSON can say
    """What JSON says, as the database can keep it. Raises ValueError, and RecursionError for what is nested past all measure.

    NaN and Infinity, which Python writes, and numbers larger than any stay as they are written, as texts.
    """
    return all_mended(json.loads(text, parse_constant=str, parse_float=_number))


def fit(values: object) -> bool:
    """Whether this is a table that an entry can hold: of VALUES_MAX characters as JSON, and DEEPEST deep, at most."""
    return isinstance(values, dict) and not _too_deep(values) and len(json.dumps(values)) <= VALUES_MAX


def _number(written: str) -> float | str:
    value = float(written)
    return value if math.isfinite(value) else written


def _too_deep(values: object) -> bool:
    level = [values]
    for _deep in range(DEEPEST):
        inner = [(each.values() if isinstance(each, dict) else each) for each in level if isinstance(each, dict | list)]
        level = [value for many in inner for value in many]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)
