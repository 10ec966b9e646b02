"""ORCID iDs: sixteen digits, the last of which checks the others (ISO 7064 MOD 11-2). No Django.

Facts: https://support.orcid.org/hc/en-us/articles/360006897674.
"""

from __future__ import annotations

import re
from typing import Final

PROVIDER: Final = "orcid"
"""The provider that vouches for ORCID iDs."""
_SHAPE: Final = re.compile(r"(?:[0-9]{4}-){3}[0-9]{3}[0-9X]")


def is_id(text: str) -> bool:
    """Whether this is an ORCID iD, with its check digit right."""
    if not _SHAPE.fullmatch(text):
        return False
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return digits[-1] == "0123456789X"[(12 - total % 11) % 11]


def address(identifier: str) -> str:
    """The page of an ORCID iD."""
    return f"https://orcid.org/{identifier}"
