"""The ASGI types in use here, and two writers of answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


async def send_body(send: Send, status: int, headers: Headers, body: bytes, content_type: bytes) -> None:
    """One complete answer."""
    size = (b"content-length", b"%d" % len(body))
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", content_type), size, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_json(send: Send, status: int, headers: Headers, value: object) -> None:
    """One complete JSON answer."""
    await send_body(send, status, headers, orjson.dumps(value), b"application/json")
