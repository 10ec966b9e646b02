"""Texts in XML, which has no way to say most control characters: a terminal's colours in a log, for instance."""

from __future__ import annotations

import re
from typing import Final

_UNSAYABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def sayable(text: str) -> str:
    """The text with a sign in the place of each character that no reader of XML would take."""
    return _UNSAYABLE.sub("\ufffd", text)
