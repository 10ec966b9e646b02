"""A publisher's `.gitignore`: which of the files that they mean to send are to be left out."""

from __future__ import annotations

import re
from typing import Final

import pathspec
import re2

from portal.errors import Invalid

_NO_PATTERN: Final = (ValueError, re.error, re2.error)


def read(lines: str) -> pathspec.GitIgnoreSpec:
    """What it leaves out. A line that is no pattern matches nothing, as in git.

    Raises Invalid for more lines than can be matched together, some thousands.
    """
    try:
        return _matcher([line for line in lines.splitlines() if _is_pattern(line)])
    except _NO_PATTERN as fault:
        raise Invalid("gitIgnore has more lines than can be matched. Shorten it, or send none.") from fault


def _is_pattern(line: str) -> bool:
    try:
        _matcher([line])
    except _NO_PATTERN:
        return False
    return True


def _matcher(lines: list[str]) -> pathspec.GitIgnoreSpec:
    """In linear time: by Python's own expressions a line of many stars takes minutes for one name."""
    return pathspec.GitIgnoreSpec.from_lines(lines, backend="re2")
