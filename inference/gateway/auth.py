"""From a bearer token to an identity.

The checksum is proved before anything is asked. Then one trip to Redis: the tombstone and the principal. On a miss the
control plane is asked over its private socket, by digest: the secret itself goes nowhere. No right is ever taken from
this process's memory. What is kept is the *parse* of a text that Redis holds: the admission script compares the text's
SHA-1 with what is there now, and admits nothing where it differs.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import OrderedDict
from typing import Final

from inference import contract
from inference.contract import Principal
from inference.gateway import errors
from inference.gateway.introspection import Introspector
from inference.gateway.rights import Identity
from inference.gateway.wire import Wire

_TOKEN: Final = re.compile(rb"wb_[a-z]{1,4}_[0-9A-Za-z]{20,960}")
_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_QUERY_KINDS: Final = (b"wb_q_", b"wb_svc_", b"wb_page_", b"wb_bat_")
_LONGEST: Final = 1024
_PARSED: Final = 4096


def checksum(text: bytes) -> bytes:
    """Six base62 digits of the CRC32 of `text`: tells a mistyped token from a revoked one, without a look-up."""
    value, digits = zlib.crc32(text), bytearray()
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    return bytes(reversed(digits))


def token_of(authorization: bytes | None) -> bytes:
    """The bearer token of a header value; raises a 401 refusal that says what is wrong with it."""
    if not authorization:
        raise errors.bad_token("No token. Send the header Authorization: Bearer wb_q_….", code="missing_token")
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer":
        raise errors.bad_token("The header lacks the word Bearer. Send Authorization: Bearer wb_q_….")
    if len(token) > _LONGEST or not _TOKEN.fullmatch(token):
        raise errors.bad_token("This is not a token of this portal. Query tokens begin with wb_q_.")
    if checksum(token[:-6]) != token[-6:]:
        raise errors.bad_token("The token's checksum is wrong: it was cut or mistyped. Copy it again.")
    if not token.startswith(_QUERY_KINDS):
        raise errors.bad_token("This token is not for queries. Create a query token (wb_q_…).", code="wrong_kind")
    return token


class Authenticator:
    """Identifies callers; every doubt is a refusal."""

    def __init__(self, wire: Wire, introspector: Introspector) -> None:
        self._wire = wire
        self._introspector = introspector
        self._parsed: OrderedDict[str, Identity] = OrderedDict()

    async def identify(self, authorization: bytes | None) -> Identity:
        """Who calls, as Redis has it now. Raises errors.Refusal (401, 503) or wire.Unreachable."""
        return await self.fetch(hashlib.sha256(token_of(authorization)).hexdigest())

    async def presume(self, authorization: bytes | None) -> Identity:
        """Who calls, if Redis still holds the principal that it gave last time: admission proves it in its own trip.

        Otherwise the same as identify(). A token that is known was found well-formed when it came first.
        """
        scheme, _, token = (authorization or b"").partition(b" ")
        known = self._parsed.get(hashlib.sha256(token).hexdigest()) if scheme.lower() == b"bearer" else None
        return known or await self.identify(authorization)

    async def fetch(self, digest: str) -> Identity:
        """Who stands behind the digest: Redis, then the control plane."""
        keys = (contract.tombstone_key(digest), contract.principal_key(digest))
        tombstone, text = await self._wire.call("MGET", *keys)
        if tombstone is not None:
            self._parsed.pop(digest, None)
            raise errors.bad_token("This token was revoked. Create a new one.", code="token_revoked")
        identity = self._parse(digest, text) if text is not None else None
        return identity or await self.renew(digest)

    async def current(self, digest: str) -> Identity:
        """The same, asked afresh where a right of this person changed since: they may just have signed."""
        identity = await self.fetch(digest)
        known = await self._wire.call("GET", contract.generation_key("user", identity.principal.user_id))
        if known is not None and int(known) > identity.principal.user_generation:
            return await self.renew(digest, afresh=True)
        return identity

    def _parse(self, digest: str, text: bytes) -> Identity | None:
        proof = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        known = self._parsed.get(digest)
        if known is not None and known.proof == proof:
            return known
        principal = Principal.from_json(text)
        if principal is None:
            return None
        identity = self._parsed[digest] = Identity(digest, principal, proof)
        if len(self._parsed) > _PARSED:
            self._parsed.popitem(last=False)
        return identity

    async def renew(self, digest: str, *, afresh: bool = False) -> Identity:
        """Ask the control plane: on a miss, and (afresh) where a right has changed since the principal was built."""
        answer = await self._introspector.ask(digest, afresh=afresh)
        if not answer.active or answer.principal is None:
            raise errors.bad_token(
                answer.message or "This token is not valid here.", code=answer.code or "invalid_token"
            )
        return Identity(digest, answer.principal)


def secret(kind: str, body: str) -> str:
    """A well-formed token of this kind with this random body, as the control plane makes them; for tests and benches."""
    head = f"wb_{kind}_{body}".encode()
    return (head + checksum(head)).decode()
