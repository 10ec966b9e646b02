"""The signature under a release: OpenSSF model signing 1.x, an in-toto statement in a DSSE envelope in a Sigstore bundle."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

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


def verify(raw: bytes, by: Key, release: Release) -> Signed:
    """Raise Bad unless the key signed exactly these files, and this release.json where the signature names one."""
    try:
        payload = _opened(raw, by)
        told = json.loads(payload)
        resources = _resources(told)
        bound = told["predicate"].get("release", {}).get("sha256", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise Bad(f"{SIGNATURE} is damaged or of another kind than OpenSSF model signing 1.x.") from fault
    _require_same(resources, {file.path: file.sha256 for file in release.files})
    if bound and bound != hashlib.sha256(release.raw).hexdigest():
        raise Bad("The signature is that of another release: release.json is not the one that was signed.")
    return Signed(by.fingerprint, bool(bound))


def _opened(raw: bytes, by: Key) -> bytes:
    """The signed payload. Raises Bad for another key or a wrong signature, ValueError and the like for nonsense."""
    told = json.loads(raw)
    hint = told["verificationMaterial"]["publicKey"].get("hint")
    if hint and hint != by.fingerprint:
        raise Bad(
            f"The release is signed by the key {str(hint)[:16]}…, not by the one you trust ({by.fingerprint[:16]}…)."
        )
    envelope = told["dsseEnvelope"]
    (one,) = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    sealed = f"DSSEv1 {len(_TYPE)} {_TYPE} {len(payload)} ".encode() + payload
    if envelope["payloadType"] != _TYPE:
        raise ValueError("payloadType")
    algorithm = ec.ECDSA(_HASHES[by.public.curve.key_size]())
    try:
        by.public.verify(base64.b64decode(one["sig"], validate=True), sealed, algorithm)
    except InvalidSignature as fault:
        raise Bad("The signature does not match: somebody has changed it, or what it is over.") from fault
    return payload


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
