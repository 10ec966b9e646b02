"""Signatures as the Standard Webhooks specification has them, so that receivers can use its libraries.

`webhook-signature: v1,<base64 of HMAC-SHA256 over "<webhook-id>.<webhook-timestamp>.<body>">` (standardwebhooks.com).
The key is derived from SECRET_KEY, the endpoint's id and the number of its secret: the database holds nothing that
could sign. For OVERLAP after a rotation there are two signatures, parted by a space, so that no message is lost while
the receiver changes its secret. So there are for each SECRET_KEY that the operator exchanged and still names: the
receiver has a secret of that one until its lab makes a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

OVERLAP: Final = timedelta(hours=24)


def keys(endpoint: UUID, number: int = 0) -> list[bytes]:
    """The endpoint's signing keys of this number, 32 bytes each: of the present SECRET_KEY first, then of former ones."""
    name = f"{endpoint}:{number}" if number else str(endpoint)
    return [salted_hmac("weighbridge.webhooks.key", name, of, algorithm="sha256").digest() for of in _secrets()]


def secret(endpoint: UUID, number: int = 0) -> str:
    """The key as its owner gets it, once: `whsec_` and base64."""
    return f"whsec_{base64.b64encode(keys(endpoint, number)[0]).decode()}"


def generations() -> list[str]:
    """What tells one SECRET_KEY from another and gives nothing of it away, 16 characters: the present one first."""
    return [
        salted_hmac("weighbridge.webhooks.generation", "", of, algorithm="sha256").hexdigest()[:16] for of in _secrets()
    ]


def generation() -> str:
    """That of the present SECRET_KEY."""
    return generations()[0]


def _secrets() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def headers(keys: Iterable[bytes], delivery: UUID, timestamp: int, body: bytes) -> dict[str, str]:
    """What goes with a body: one signature for each key. `timestamp` is in seconds since 1970."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    macs = [hmac.new(each, signed, hashlib.sha256).digest() for each in keys]
    return {
        "webhook-id": str(delivery),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
    }
