"""The Merkle tree hash of RFC 9162, section 2.1 (RFC 6962's): SHA-256, leaves prefixed 0, nodes prefixed 1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def root(leaves: Iterable[bytes]) -> tuple[int, str]:
    """How many leaves, and their root in hex; 32 bytes are kept for each leaf while it runs."""
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    count = len(level)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return count, (level[0] if level else hashlib.sha256().digest()).hex()
