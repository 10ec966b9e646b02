"""Keys of the portal vouch for each other, so that whoever trusts one of them trusts the next after an exchange.

A vouch is an ECDSA signature (P-256, SHA-256, DER) by one key over the line HEAD and the PEM file of the other. All keys
whose secrets the operator still names vouch for all others: forward for releases to come, backward for those that stand
under a former key. A secret that leaked is named no more, and so nothing vouches for its key or by it.
"""

from __future__ import annotations

import base64
from itertools import permutations
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from portal import signing
from releases.proofs import signature

HEAD: Final = "weighbridge key vouch 1\n"


def vouches() -> list[dict[str, str]]:
    """Each pair once: the fingerprint of who vouches (`by`), the PEM that it vouches for (`pem`), and `signature` in base64."""
    return [_vouch(by, other) for by, other in permutations(signing.all_derived(signature.PURPOSE), 2)]


def _vouch(by: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    pem = signature.pem_of(other.public_key())
    signed = by.sign((HEAD + pem).encode(), ec.ECDSA(hashes.SHA256()))
    fingerprint = signature.fingerprint(signature.pem_of(by.public_key()))
    return {"by": fingerprint, "pem": pem, "signature": base64.b64encode(signed).decode()}
