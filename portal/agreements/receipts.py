"""Receipts: what a signature says, as a document that anybody can check without us (portal/signing.py)."""

from __future__ import annotations

from typing import Any, Final

from portal import signing
from portal.agreements.models import Signature, text_digest

FORMAT: Final = "weighbridge-receipt-1"


def envelope(signature: Signature) -> dict[str, Any]:
    """The receipt as a file: the document, its digest and its seal."""
    return {
        "format": FORMAT,
        "document": signature.document,
        "sha256": signature.document_sha256,
        "ed25519": {"public_key": signature.key_id, "signature": signature.seal},
    }


def checks(signature: Signature) -> dict[str, bool]:
    """What holds of a stored receipt: its digest, the agreement's text, and its seal (false where it has none)."""
    return {
        "document": signing.digest(signature.document) == signature.document_sha256,
        "text": text_digest(signature.version.text) == signature.text_sha256 == signature.document.get("text_sha256"),
        "seal": signing.sealed(signature.document, key_id=signature.key_id, signature=signature.seal),
    }
