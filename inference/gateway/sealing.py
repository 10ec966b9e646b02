"""The envelope around kept content: whoever has the public key closes it, and only the private key opens it again."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from inference import contract

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
"""HPKE, RFC 9180."""


def seal(plain: bytes, key: str, request_id: str) -> bytes:
    """Close it for the owner of this public key (base64), bound to the request."""
    return SUITE.encrypt(plain, _public(key), contract.content_label(request_id))


@lru_cache(maxsize=8)
def _public(key: str) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(base64.b64decode(key))
