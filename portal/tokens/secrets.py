"""Token secrets: `wb_<kind>_<32 base62><6 base62 of CRC32>`.

32 base62 characters carry 190 bits. The checksum lets us refuse a mistyped or invented secret before any I/O, and
lets a leak scanner tell a real one from a look-alike offline. It is no protection: the digest in the database is.
Clients should treat a token as opaque, up to MAX_LENGTH characters. Some know the Hub's alone: for them each has a second
spelling, `hf_wb<kind><body and checksum>`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

from portal.tokens.scopes import Kind

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
BODY: Final = 32
CHECK: Final = 6
MAX_LENGTH: Final = 1_024
HINT: Final = 4
"""Characters of the body shown in lists."""

SHAPE: Final = re.compile(rf"wb_({'|'.join(Kind)})_[0-9A-Za-z]{{{BODY + CHECK}}}", re.ASCII)

_FOR_HUB: Final = re.compile(rf"hf_wb({'|'.join(Kind)})([0-9A-Za-z]{{{BODY + CHECK}}})", re.ASCII)


def base62(number: int, width: int) -> str:
    """`number` in base 62, padded with zeros to `width` characters."""
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def make(kind: str) -> str:
    """A new secret of this kind; of a Kind, or of another plane's own."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY))
    head = f"wb_{kind}_{body}"
    return head + base62(zlib.crc32(head.encode()), CHECK)


def checksum(secret: str) -> bool:
    """Whether `secret` has our shape and its checksum holds. No I/O; never raises."""
    if len(secret) > MAX_LENGTH or SHAPE.fullmatch(secret) is None:
        return False
    return base62(zlib.crc32(secret[:-CHECK].encode()), CHECK) == secret[-CHECK:]


def for_hub(secret: str) -> str:
    """The same secret for programs that take nothing but `hf_` and letters: llama.cpp, huggingface.js."""
    return "hf_" + secret.replace("_", "")


def plain(secret: str) -> str:
    """The secret as it was made, whichever of its two spellings this is; any other text as it is."""
    found = _FOR_HUB.fullmatch(secret) if len(secret) <= MAX_LENGTH else None
    return f"wb_{found[1]}_{found[2]}" if found else secret


def digest(secret: str) -> str:
    """SHA-256 of the secret, hex: the only form that is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(secret: str) -> str:
    """The start of the secret, enough to recognise it: `wb_dl_4hTq`."""
    prefix, kind, body = secret.split("_", 2)
    return f"{prefix}_{kind}_{body[:HINT]}"
