"""Links to the local store: what they say, the signature under it, and where an object lies. No framework: the blob
server reads this too.

A link names one object, one method, the file name and type to answer with, and the second it ends; where less than the
whole was asked for and counted, the range too. It is a bearer secret for that long (at most MAX_TTL_S) and good for
nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, quote

MAX_TTL_S: Final = 120
PREFIX: Final = "/blobs/"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = ("method", "expires", "name", "type")
RANGE: Final = re.compile(r"bytes=(?=[0-9]|-[0-9])([0-9]{0,18})-([0-9]{0,18})")
"""A Range header that asks for one range; any other is answered with the whole (RFC 9110, section 14)."""
PARTS: Final = "/blobs/uploads/"
_PART: Final = re.compile(
    re.escape(PARTS)
    + r"([0-9a-f]{32})/([0-9]{1,5})\?offset=([0-9]{1,15})&size=([0-9]{1,15})&expires=([0-9]{1,12})&sig=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Permit:
    """What a signed link allows: `method` on the object `sha256` until `expires` (seconds since the epoch, UTC).

    `span`: the one Range header that it is good for; empty: any, or none.
    """

    sha256: str
    method: str
    expires: int
    name: str
    type: str
    span: str = ""

    def url(self, key: bytes) -> str:
        """Path and query, relative to our origin."""
        said = self._said()
        query = "&".join(f"{name}={text}" for name, text in said.items())
        return f"{PREFIX}{self.sha256}?{query}&sig={self._mac(key, said)}"

    @classmethod
    def read(cls, path: str, query: str, key: bytes, *, now: float) -> Self | None:
        """The permit, or None when it is malformed, forged, altered, expired or longer-lived than we ever sign."""
        digest = path.removeprefix(PREFIX)
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=8) if query.count("&") < 8 else []
        fields = dict(pairs)
        wanted = {*_FIELDS, "sig"} | (fields.keys() & {"span"})
        if not _DIGEST.fullmatch(digest) or len(pairs) != len(wanted) or set(fields) != wanted:
            return None
        if not fields["expires"].isascii() or not fields["expires"].isdigit() or len(fields["expires"]) > 12:
            return None
        expires, span = int(fields["expires"]), fields.get("span", "")
        permit = cls(digest, fields["method"], expires, fields["name"], fields["type"], span)
        if not hmac.compare_digest(fields["sig"].encode(), permit._mac(key, permit._said()).encode()):
            return None
        return permit if now < permit.expires <= now + MAX_TTL_S + 1 else None

    def _said(self) -> dict[str, str]:
        """What stands in the address, and is signed, encoded."""
        fields = {"method": self.method, "expires": str(self.expires), "name": self.name, "type": self.type}
        fields |= {"span": self.span} if self.span else {}
        return {name: quote(text, safe="") for name, text in fields.items()}

    def _mac(self, key: bytes, said: dict[str, str]) -> str:
        text = "\n".join(["weighbridge blob 1", self.sha256, *said.values()])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class PartPermit:
    """What a signed link for one part of an upload allows: PUT of `size` bytes at `offset` of the staged file `key`."""

    key: str
    part: int
    offset: int
    size: int
    expires: int

    def url(self, key: bytes) -> str:
        """Path and query, relative to our origin."""
        query = f"offset={self.offset}&size={self.size}&expires={self.expires}&sig={self._mac(key)}"
        return f"{PARTS}{self.key}/{self.part}?{query}"

    @classmethod
    def read(cls, path: str, query: str, key: bytes, *, now: float) -> Self | None:
        """The permit, or None when it is malformed, forged, altered or expired."""
        found = _PART.fullmatch(f"{path}?{query}")
        if found is None:
            return None
        name, *numbers, signature = found.groups()
        permit = cls(name, *(int(number) for number in numbers))
        if not hmac.compare_digest(signature.encode(), permit._mac(key).encode()):
            return None
        return permit if now < permit.expires else None

    def _mac(self, key: bytes) -> str:
        text = f"weighbridge part 1\n{self.key}\n{self.part}\n{self.offset}\n{self.size}\n{self.expires}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def place(root: Path, sha256: str) -> Path:
    """Where the object of this name lies under a store's root."""
    return root / "blobs" / sha256[:2] / sha256[2:4] / sha256


def staged(root: Path, key: str) -> Path:
    """Where an upload's file lies while its parts arrive."""
    return root / "staging" / "uploads" / key


def disposition(name: str) -> str:
    """`Content-Disposition` that downloads under this file name (RFC 6266: an ASCII form and the true one)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
