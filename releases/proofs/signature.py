"""Signatures over all files of a release, as OpenSSF model signing 1.x writes and verifies them.

An in-toto statement names each file with its SHA-256. It lies in a DSSE envelope, which a key has signed, and that in a
Sigstore bundle (v0.3). `model_signing verify key` accepts ours unchanged, and ours accepts what it writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils.translation import gettext as _

from portal import signing
from portal.errors import Invalid

PURPOSE: Final = "weighbridge signatures of models"
_MEDIA: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://model_signing/signature/v1.0"
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_HASHES: Final[dict[int, type[hashes.HashAlgorithm]]] = {
    256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512,
}  # fmt: skip
"""The hash that goes with the size of a curve, as Sigstore has it."""
BESIDE: Final = ("model.sig", "release.json", "tensors.json", "bom.cdx.json", ".cache")
"""What may lie beside the files of a copy without being one of them: our documents, and what clients leave."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signature as it came: the fingerprint of the key that it names, what was signed, and how."""

    fingerprint: str
    payload: bytes
    signature: bytes


def portal_key() -> ec.EllipticCurvePrivateKey | None:
    """The portal's own key under signatures of models; None where no signing key is set."""
    return signing.derived(PURPOSE)


def pem_of(key: ec.EllipticCurvePublicKey) -> str:
    """The public key as a file."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, kind).decode()


def read_pem(text: str) -> str:
    """The same public key as everybody writes it. Raises Invalid unless it is one that model signing accepts."""
    try:
        key = serialization.load_pem_public_key(text.strip().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise Invalid(_("This is not a public key in PEM form. It begins with -----BEGIN PUBLIC KEY-----.")) from fault
    if not isinstance(key, ec.EllipticCurvePublicKey) or not key.curve.name.startswith("secp"):
        raise Invalid(_("Model signing takes elliptic curve keys: P-256, P-384 or P-521."))
    if key.curve.key_size not in _HASHES:
        raise Invalid(_("Model signing takes the curves P-256, P-384 and P-521."))
    return pem_of(key)


def fingerprint(pem: str) -> str:
    """SHA-256 of the PEM file, hex: what bundles name a key by."""
    return hashlib.sha256(pem.encode()).hexdigest()


def statement(model: str, files: Mapping[str, str], *, release_sha256: str) -> bytes:
    """What is signed: every file (path → SHA-256), and as an extra field the digest of release.json."""
    paths = sorted(files, key=str.encode)
    together = hashlib.sha256(b"".join(bytes.fromhex(files[path]) for path in paths)).hexdigest()
    return signing.canonical(
        {
            "_type": _STATEMENT,
            "subject": [{"name": model, "digest": {"sha256": together}}],
            "predicateType": _PREDICATE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [name for name in BESIDE if name not in files],
                },
                "resources": [{"name": path, "algorithm": "sha256", "digest": files[path]} for path in paths],
                "release": {"sha256": release_sha256},
            },
        }
    )


def sign(payload: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """The bundle over a statement."""
    signed = key.sign(_pae(payload), ec.ECDSA(_HASHES[key.curve.key_size]()))
    bundle = {
        "mediaType": _MEDIA,
        "verificationMaterial": {
            "publicKey": {"hint": fingerprint(pem_of(key.public_key()))},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signed).decode(), "keyid": ""}],
        },
    }
    return signing.canonical(bundle).decode()


def read(raw: bytes) -> Bundle:
    """A bundle that was made with a key. Raises Invalid, with a sentence for whoever sent it."""
    try:
        told = json.loads(raw.decode())
        envelope = told["dsseEnvelope"]
        if (told["mediaType"], envelope["payloadType"]) != (_MEDIA, _PAYLOAD):
            raise Invalid(_("This is not a bundle of model signing 1.x. Sign with: model_signing sign key."))
        if "publicKey" not in told["verificationMaterial"]:
            raise Invalid(_("This signature was made without a key of your own. Sign with: model_signing sign key."))
        (signature,) = envelope["signatures"]
        hint = told["verificationMaterial"]["publicKey"]["hint"]
        if not _FINGERPRINT.fullmatch(hint):
            raise Invalid(_("This signature does not name its key. Sign with model_signing 1.1 or newer."))
        return Bundle(
            hint,
            base64.b64decode(envelope["payload"], validate=True),
            base64.b64decode(signature["sig"], validate=True),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise Invalid(_("This is not a signature. Choose the file model.sig that model_signing wrote.")) from fault


def verify(bundle: Bundle, pem: str) -> None:
    """Raise Invalid unless the key signed what the bundle holds."""
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Invalid(_("Model signing takes elliptic curve keys."))
    try:
        key.verify(bundle.signature, _pae(bundle.payload), ec.ECDSA(_HASHES[key.curve.key_size]()))
    except InvalidSignature as fault:
        raise Invalid(_("The signature does not match the key that it names. Sign the files again.")) from fault


def covers(bundle: Bundle, files: Mapping[str, str]) -> None:
    """Raise Invalid, naming a file, unless what was signed is exactly these files (path → SHA-256)."""
    signed = _resources(bundle.payload)
    for path in sorted(signed.keys() | files.keys()):
        if path not in signed:
            raise Invalid(
                _("The signature does not cover %(path)s. Sign the whole folder as it is here.") % {"path": path}
            )
        if path not in files:
            raise Invalid(_("The signature covers %(path)s, which is not in this revision.") % {"path": path})
        if signed[path] != files[path]:
            raise Invalid(_("The signature is over another %(path)s than the one in this revision.") % {"path": path})


def _resources(payload: bytes) -> dict[str, Any]:
    try:
        told = json.loads(payload)
        predicate, (subject,) = told["predicate"], told["subject"]
        if (told["_type"], told["predicateType"]) != (_STATEMENT, _PREDICATE):
            raise Invalid(
                _("The signature is of another kind than model signing 1.x. Sign with: model_signing sign key.")
            )
        rows = [(each["name"], each["algorithm"], each["digest"]) for each in predicate["resources"]]
        together = hashlib.sha256(b"".join(bytes.fromhex(digest) for *_rest, digest in rows)).hexdigest()
        manner = (predicate["serialization"]["method"], predicate["serialization"]["hash_type"])
        agrees = together == subject["digest"]["sha256"] and len({name for name, *_rest in rows}) == len(rows)
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise Invalid(_("What was signed cannot be read. Sign with: model_signing sign key.")) from fault
    if manner != ("files", "sha256") or any(algorithm != "sha256" for _name, algorithm, _digest in rows) or not agrees:
        raise Invalid(_("Sign with SHA-256 over whole files, which is what model_signing does by itself."))
    return {name: digest for name, _algorithm, digest in rows}


def _pae(payload: bytes) -> bytes:
    """What is really signed: DSSE's pre-authentication encoding."""
    return f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)} ".encode() + payload
