"""The least an ASGI proxy over aiohttp can do: no token, no limits, no ledger, no watcher. The yardstick.

Run by uvicorn like the gateway; the engine's address is in the environment as ENGINE_URL.
"""

from __future__ import annotations

import os

import aiohttp

_ENGINE = os.environ.get("ENGINE_URL", "")
_session: aiohttp.ClientSession | None = None


async def app(scope, receive, send):
    global _session  # noqa: PLW0603
    if scope["type"] != "http":
        return
    if _session is None:
        _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    path = scope["raw_path"].decode()
    headers = {"content-type": "application/json"}
    async with _session.request(scope["method"], _ENGINE + path, data=body or None, headers=headers) as answer:
        kept = [(b"content-type", answer.headers.get("content-type", "text/plain").encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        while part := await answer.content.readany():
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
