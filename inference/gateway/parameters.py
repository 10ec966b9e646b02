"""What was asked beside the prompt, as a digest for the ledger and its receipts: no content, yet anybody can repeat it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

_APART: Final = frozenset({"model", "prompt", "messages", "input", "user", "stream_options"})
"""Content, who asks, and what changes no token."""


def digest(asked: Mapping[str, Any]) -> str:
    """SHA-256 in hex over the other fields as JSON: names sorted, no spaces, nothing that is null."""
    told = {name: value for name, value in asked.items() if name not in _APART}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
