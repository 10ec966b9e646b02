"""The private listener: introspection for the gateway, readiness and metrics for the operator.

Served on a Unix socket (embedded) or a private address (scaled), never on the public port. Every request must show
INTERNAL_SECRET.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.urls import reverse

from inference import content, introspection, metrics, routes
from inference.contract import CONTENT_BYTES, CONTENT_PATH, INTROSPECT_PATH, Content
from portal.errors import Invalid, Unavailable

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Answer = tuple[int, str, bytes]

BODY_LIMIT: Final = 4_096
CONTENT_LIMIT: Final = 8 * CONTENT_BYTES
"""A byte of text may become six in JSON, and a third more in base64."""
THREADS: Final = 8
_JSON: Final = "application/json"
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="internal")


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """ASGI. Loads the addresses and pushes the routes at start, so that a fresh Redis serves as soon as the portal does."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        headers = dict(scope["headers"])
        shown = headers.get(b"authorization", b"")
        body = await _body(receive, CONTENT_LIMIT if scope["path"] == CONTENT_PATH else BODY_LIMIT)
        loop = asyncio.get_running_loop()
        await _reply(
            send, await loop.run_in_executor(_threads, _in_thread, scope["method"], scope["path"], shown, body)
        )


def respond(method: str, path: str, authorization: bytes, body: bytes | None) -> Answer:
    """One request to one answer: status, content type, body. `body` is None when it was over the limit."""
    if not _shown(authorization):
        return _problem(403, "not_allowed", "Show the internal secret.")
    view = _VIEWS.get((method, path))
    if view is None:
        return _problem(404, "not_found", "There is nothing at this address.")
    if body is None:
        return _problem(413, "too_large", "The body is larger than what is taken here.")
    try:
        return view(body)
    except Unavailable as error:
        return _problem(503, error.code, error.message)
    except (OperationalError, InterfaceError):
        logger.warning("the database does not answer", exc_info=True)
        return _problem(503, "unavailable", "The database does not answer. Try again in a moment.")


def _shown(authorization: bytes) -> bool:
    """Whether it is our secret, or one that it was exchanged for and that gateways not restarted yet still show."""
    secrets = (settings.INTERNAL_SECRET, *settings.FORMER_INTERNAL_SECRETS)
    return any(hmac.compare_digest(authorization, f"Bearer {secret}".encode()) for secret in secrets)


def _in_thread(method: str, path: str, authorization: bytes, body: bytes | None) -> Answer:
    """respond(), with the thread's database connection checked before and after, as Django does for its requests."""
    close_old_connections()
    try:
        return respond(method, path, authorization, body)
    finally:
        close_old_connections()


def _introspect(body: bytes) -> Answer:
    try:
        digest = json.loads(body)["digest"]
    except (ValueError, TypeError, KeyError):
        return _problem(400, "invalid", 'Send {"digest": "<SHA-256 hex of the token>"}.')
    if not isinstance(digest, str):
        return _problem(400, "invalid", "The digest is a string.")
    return 200, _JSON, introspection.introspect(digest).to_json().encode()


def _content(body: bytes) -> Answer:
    try:
        content.keep(Content.from_json(body))
    except (ValueError, Invalid):
        return _problem(400, "invalid", "This is no content that is to be kept.")
    return 204, _JSON, b""


def _ready(_body: bytes) -> Answer:
    parts = metrics.parts()
    return (
        200 if all(parts.values()) else 503,
        _JSON,
        json.dumps({"ready": all(parts.values()), "parts": parts}).encode(),
    )


def _metrics(_body: bytes) -> Answer:
    return 200, "text/plain; version=0.0.4; charset=utf-8", metrics.exposition().encode()


_VIEWS: Final[dict[tuple[str, str], Callable[[bytes], Answer]]] = {
    ("POST", INTROSPECT_PATH): _introspect,
    ("POST", CONTENT_PATH): _content,
    ("GET", "/internal/ready"): _ready,
    ("GET", "/internal/metrics"): _metrics,
}


def _problem(status: int, code: str, message: str) -> Answer:
    body = {"type": "about:blank", "status": status, "title": message, "code": code}
    return status, "application/problem+json", json.dumps(body).encode()


async def _body(receive: Receive, limit: int) -> bytes | None:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            return None
    return body


async def _reply(send: Send, answer: Answer) -> None:
    status, kind, body = answer
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await asyncio.get_running_loop().run_in_executor(_threads, _prepare)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


def _prepare() -> None:
    """All that a first question would else wait for: a refusal names pages, and to find their addresses is to load all of
    them, for seconds where the machine is busy."""
    reverse("inference:usage")
    try:
        routes.push()
    except (Unavailable, OperationalError, InterfaceError):
        logger.warning("the routes could not be pushed at start; the next change pushes them", exc_info=True)
    finally:
        close_old_connections()
