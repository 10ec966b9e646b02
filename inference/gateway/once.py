"""Idempotency keys: a query that is sent twice under one key is run and charged once.

The key is the project's. Its record is written in the admission's own step and names the request, never a word of it or
of its answer: whoever asks again is told which receipt to look at. A request that was charged nothing frees its key.
"""

from __future__ import annotations

import hashlib
from typing import Final

from inference import contract
from inference.gateway.errors import Refusal, bad_request, retry_headers
from inference.gateway.limits import Claim, Taken

HEADER: Final = b"idempotency-key"
KEPT_MS: Final = 86_400_000
"""A day, as for the writes of the REST API."""
_LONGEST: Final = 255
_AGAIN_MS: Final = 1000


def claim(key: bytes, project_id: str, path: str, body: bytes) -> Claim:
    """What the admission must know of the header; raises a 400 refusal for an unusable key."""
    text = key[1:-1] if len(key) > 1 and key[:1] == key[-1:] == b'"' else key
    if not 0 < len(text) <= _LONGEST or not all(0x20 <= byte < 0x7F for byte in text):
        wrong = f"An idempotency key has 1 to {_LONGEST} printable ASCII characters, for instance a UUID."
        raise bad_request(wrong, param="Idempotency-Key", code="idempotency_key_unusable")
    record = contract.once_key(project_id, hashlib.sha256(text).hexdigest())
    return Claim(record, hashlib.sha256(path.encode() + b"\n" + body).hexdigest(), KEPT_MS)


def taken(answer: Taken, portal: str) -> Refusal:
    """409 where the key's request runs or has run, 422 where it was another request."""
    if answer.how == "other":
        text = "This idempotency key was used for another request. Take a new key for a new request."
        return Refusal(422, "idempotency_key_reused", text, param="Idempotency-Key")
    more = {"request_id": answer.request_id, "receipt": f"{portal}/api/v1/receipts/{answer.request_id}"}
    if answer.how == "running":
        text = "The first request with this key is still at work. Ask again in a moment."
        return Refusal(409, "idempotency_in_flight", text, headers=retry_headers(_AGAIN_MS), **more)
    text = "The request with this key was run and charged once. Its answer is not kept here; its receipt says what it used."
    return Refusal(409, "idempotency_finished", text, headers=[(b"x-should-retry", b"false")], **more)
