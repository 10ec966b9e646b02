"""The portal's signature under a document that anybody can check without us.

A document is plain JSON. Its canonical form (sorted names, no spaces, UTF-8) is hashed with SHA-256 and sealed with
Ed25519 (RFC 8032). The public key travels with the document; the portal publishes which one is its own. What other
programs read (JSON Web Tokens, signatures of models) is signed by further keys of the same secret, one for each purpose.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from portal.errors import NotSetUp


def canonical(document: dict[str, Any] | list[Any] | str) -> bytes:
    """The bytes that are hashed and sealed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(document: dict[str, Any]) -> str:
    """SHA-256 of the canonical document, hex."""
    return hashlib.sha256(canonical(document)).hexdigest()


def seal(document: dict[str, Any]) -> tuple[str, str]:
    """(public key in hex, Ed25519 signature in base64); two empty strings where no signing key is set."""
    key = _key()
    if key is None:
        return "", ""
    return key.public_key().public_bytes_raw().hex(), base64.b64encode(key.sign(canonical(document))).decode()


def public_key() -> str:
    """The portal's present public key in hex; empty where no signing key is set."""
    key = _key()
    return key.public_key().public_bytes_raw().hex() if key else ""


def former_public_keys() -> list[str]:
    """Those in hex that the portal signed with before, as far as its operator still names them, newest first."""
    return [_ed25519(secret).public_key().public_bytes_raw().hex() for secret in settings.FORMER_RECEIPT_SIGNING_KEYS]


def ours(key_id: str) -> bool:
    """Whether a public key in hex is the portal's present one or a former one."""
    return bool(key_id) and key_id in (public_key(), *former_public_keys())


def sealed(document: dict[str, Any], *, key_id: str, signature: str) -> bool:
    """Whether `signature` is that of the key over the document."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id))
        key.verify(base64.b64decode(signature), canonical(document))
    except (InvalidSignature, ValueError):
        return False
    return True


def _key() -> Ed25519PrivateKey | None:
    secret: str = settings.RECEIPT_SIGNING_KEY
    return _ed25519(secret) if secret else None


def _ed25519(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


# --- Tokens that other portals read -------------------------------------------------------------------------------

ALGORITHM: Final = "ES256"
"""What GA4GH's AAI profile recommends beside RS256; Ed25519 is not among its algorithms."""
_TOKENS: Final = "weighbridge ES256 tokens"


def jwks() -> list[dict[str, str]]:
    """The public keys under our JSON Web Tokens as JWKs (RFC 7517), the present one first; none without a signing key.

    What a former key signed holds until it ends, so that the change of a secret calls nothing back.
    """
    return [_jwk(key) for key in all_derived(_TOKENS)]


def _jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Its id is the key's own thumbprint (RFC 7638), so a changed secret is a changed id."""
    numbers = key.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
    core = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    thumb = base64.urlsafe_b64encode(hashlib.sha256(canonical(core)).digest()).rstrip(b"=").decode()
    return {**core, "kid": thumb, "use": "sig", "alg": ALGORITHM}


def token(claims: dict[str, Any], *, kind: str, headers: dict[str, str] | None = None) -> str:
    """A JSON Web Token (RFC 7519) over the claims, of the media type `kind`. Raises NotSetUp without a signing key."""
    key = derived(_TOKENS)
    if key is None:
        raise NotSetUp("The operator of this portal has set no signing key, so it signs nothing.")
    return jwt.encode(claims, key, ALGORITHM, headers={"typ": kind, "kid": _jwk(key)["kid"], **(headers or {})})


def derived(purpose: str) -> ec.EllipticCurvePrivateKey | None:
    """A P-256 key of its own for each purpose, from the same secret: one key signs in one way only."""
    secret: str = settings.RECEIPT_SIGNING_KEY
    return _p256(secret, purpose) if secret else None


def all_derived(purpose: str) -> list[ec.EllipticCurvePrivateKey]:
    """That key and those of the secrets that were in use before, as far as the operator still names them, newest first."""
    secrets = (settings.RECEIPT_SIGNING_KEY, *settings.FORMER_RECEIPT_SIGNING_KEYS)
    return [_p256(secret, purpose) for secret in secrets if secret]


def _p256(secret: str, purpose: str) -> ec.EllipticCurvePrivateKey:
    seed = hmac.digest(secret.encode(), purpose.encode(), "sha512")
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())


_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Number of points of the curve (SEC 2, section 2.4.2)."""
