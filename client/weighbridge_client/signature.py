"""The signature under a release: OpenSSF model signing 1.x, an in-toto statement in a DSSE envelope in a Sigstore bundle."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from weighbridge_client.documents import SIGNATURE, Release
from weighbridge_client.errors import Bad, Usage

_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_HASHES: dict[int, type[hashes.HashAlgorithm]] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
"""The hash that goes with the size of a curve, as Sigstore has it."""
_END = "-----END PUBLIC KEY-----"
_VOUCH = "weighbridge key vouch 1\n"
"""What a key that vouches for another signs, before the other's PEM."""


@dataclass(frozen=True)
class Key:
    """A public key as everybody writes it, and its name: SHA-256 of that text."""

    pem: str
    public: ec.EllipticCurvePublicKey

    @property
    def fingerprint(self) -> str:
        """What bundles name the key by, hex."""
        return hashlib.sha256(self.pem.encode()).hexdigest()


@dataclass(frozen=True)
class Signed:
    """What a good signature says: by which key, and whether it covers release.json too, with its commit."""

    fingerprint: str
    binds_release: bool


def keys(text: str, whence: str) -> list[Key]:
    """Read one public key in PEM form or several, one behind the other. Raises Usage."""
    pieces = text.strip().split(_END)
    return [key(piece + _END, whence) for piece in pieces[:-1]] or [key(text, whence)]


def key(text: str, whence: str) -> Key:
    """Read a public key in PEM form. Raises Usage."""
    try:
        public = serialization.load_pem_public_key(text.strip().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise Usage(f"{whence} holds no public key. It begins with -----BEGIN PUBLIC KEY-----.") from fault
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.key_size not in _HASHES:
        raise Usage(f"{whence} holds a key of another kind than P-256, P-384 or P-521.")
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Key(pem.decode(), public)


def verify(raw: bytes, by: Sequence[Key], release: Release) -> Signed:
    """Raise Bad unless one of the keys signed exactly these files, and this release.json where the signature names one."""
    try:
        signer, payload = _opened(raw, by)
        told = json.loads(payload)
        resources = _resources(told)
        bound = told["predicate"].get("release", {}).get("sha256", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise Bad(f"{SIGNATURE} is damaged or of another kind than OpenSSF model signing 1.x.") from fault
    _require_same(resources, {file.path: file.sha256 for file in release.files})
    if bound and bound != hashlib.sha256(release.raw).hexdigest():
        raise Bad("The signature is that of another release: release.json is not the one that was signed.")
    return Signed(signer.fingerprint, bool(bound))


def _opened(raw: bytes, by: Sequence[Key]) -> tuple[Key, bytes]:
    """Who signed, and what. Raises Bad for another key or a wrong signature, ValueError and the like for nonsense."""
    told = json.loads(raw)
    hint = told["verificationMaterial"]["publicKey"].get("hint")
    named = [each for each in by if each.fingerprint == hint] if hint else list(by)
    if not named:
        trusted = ", ".join(f"{each.fingerprint[:16]}…" for each in by)
        raise Bad(
            f"The release is signed by the key {str(hint)[:16]}…, not by one that you trust ({trusted}). If the portal exchanged "
            "its key, `weighbridge get` learns the new one from it; or give it with --key FILE."
        )
    envelope = told["dsseEnvelope"]
    (one,) = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    sealed = f"DSSEv1 {len(_TYPE)} {_TYPE} {len(payload)} ".encode() + payload
    if envelope["payloadType"] != _TYPE:
        raise ValueError("payloadType")
    signed = base64.b64decode(one["sig"], validate=True)
    signer = next((each for each in named if _made(each, signed, sealed)), None)
    if signer is None:
        raise Bad("The signature does not match: somebody has changed it, or what it is over.")
    return signer, payload


def _made(by: Key, signed: bytes, content: bytes) -> bool:
    """Whether the signature over the content is the key's."""
    try:
        by.public.verify(signed, content, ec.ECDSA(_HASHES[by.public.curve.key_size]()))
    except InvalidSignature:
        return False
    return True


def vouched(told: object, by: Sequence[Key]) -> list[Key]:
    """The keys that the trusted ones vouch for, by the portal's `vouches.json`, and those that these vouch for in turn.

    What is no vouch, or is signed by another key than it says, is passed over: it makes nothing trusted.
    """
    found: list[Key] = []
    rows = told.get("vouches") if isinstance(told, dict) else None
    left = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    while True:
        known = {each.fingerprint: each for each in (*by, *found)}
        new = [each for row in left if (each := _vouched(row, known)) and each.fingerprint not in known]
        if not new:
            return found
        found.append(new[0])


def _vouched(row: dict[str, Any], known: dict[str, Key]) -> Optional[Key]:
    by, pem, signed = (row.get(name) for name in ("by", "pem", "signature"))
    if not (isinstance(by, str) and isinstance(pem, str) and isinstance(signed, str)) or by not in known:
        return None
    try:
        other = key(pem, "A vouch")
        good = _made(known[by], base64.b64decode(signed, validate=True), (_VOUCH + other.pem).encode())
    except (Usage, ValueError):
        return None
    return other if good else None


def _resources(told: dict[str, Any]) -> dict[str, str]:
    if (told["_type"], told["predicateType"]) != (_STATEMENT, _PREDICATE):
        raise ValueError("predicateType")
    rows = told["predicate"]["resources"]
    found = {row["name"]: row["digest"] for row in rows if row["algorithm"] == "sha256"}
    (subject,) = told["subject"]
    together = hashlib.sha256(b"".join(bytes.fromhex(row["digest"]) for row in rows)).hexdigest()
    if len(found) != len(rows) or together != subject["digest"]["sha256"]:
        raise ValueError("resources")
    return found


def _require_same(signed: dict[str, str], released: dict[str, str]) -> None:
    for path in sorted(signed.keys() | released.keys()):
        if signed.get(path) != released.get(path):
            raise Bad(f"release.json and the signature disagree about {path!r}: one of them was changed or replaced.")
