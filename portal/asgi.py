"""One public port: queries to the gateway, local blobs to the blob app, all else to Django under WSGI.

The upper apps are named by string, so that the portal does not import what stands above it. In the scaled size
nginx makes the same choice (infra/nginx/nginx.conf; a test compares the two).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

from a2wsgi import WSGIMiddleware
from django.utils.module_loading import import_string

from portal.wsgi import application as django

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GATEWAY: Final = ("v1", "tokenize", "detokenize", "tokenizer_info", "health")
"""First path segments of the query plane."""
JOBS: Final = ("v1/files", "v1/batches")
"""What lies under the gateway's segments and is Django's: files and batches, of which nothing is hot."""
BLOBS: Final = ("blobs",)
PRIVATE: Final = ("internal", "metrics")
"""Answered only on private listeners; here they do not exist."""
WORKERS: Final = 16

_gateway: App = import_string("inference.gateway.app.app")
_blobs: App = import_string("releases.blobs.app")
_django: App = cast("App", WSGIMiddleware(cast("Any", django), workers=WORKERS))  # its types name other, equal shapes


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Dispatch by the first path segment, or the first two."""
    if scope["type"] == "lifespan":
        await _gateway(scope, receive, send)
        return
    segment = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
    if scope["type"] != "http" or segment in PRIVATE:
        await _absent(send)
    elif segment in GATEWAY and "/".join(scope["path"].split("/", 3)[1:3]) not in JOBS:
        await _gateway(scope, receive, send)
    elif segment in BLOBS:
        await _blobs(scope, receive, send)
    else:
        await _django(scope, _to_the_end(receive), send)


def _to_the_end(receive: Receive) -> Receive:
    """Raises ConnectionResetError when the client goes away in the middle of its body, which WSGI cannot tell from its end."""

    async def more() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("The body broke off.")
        return message

    return more


async def _absent(send: Send) -> None:
    body = b'{"type":"about:blank","status":404,"title":"There is nothing at this address.","code":"not_found"}'
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
