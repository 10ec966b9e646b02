"""Content logging: prompt and answer of a query, sealed as soon as it is over, on their way to the control plane.

Only where the principal's right carries a public key, which the control plane writes there when the operator and the
agreement that was signed both say so. Everybody else's bytes never come through here. What is sealed cannot be read
by this process any more. A query is answered whether or not its content can be kept; what is lost is counted.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import Final

import orjson

from inference import contract
from inference.contract import Content
from inference.gateway.asgi import Headers, Message
from inference.gateway.call import Call
from inference.gateway.introspection import Introspector
from inference.gateway.metrics import Metrics
from inference.gateway.rights import Right
from inference.gateway.sealing import seal

LOGGED: Final = (contract.CONTENT_HEADER.encode(), b"logged")
_HALF: Final = contract.CONTENT_BYTES // 2
_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Most sealed bytes that wait for a control plane that does not answer."""


class Copy:
    """What one call is asked and answers, up to a bound; made before the answer begins."""

    __slots__ = ("_answered", "_asked", "_begin", "_push", "_send", "_size")

    def __init__(self, call: Call, asked: bytes) -> None:
        self._asked = asked
        self._answered: list[bytes] = []
        self._size = 0
        self._send, self._push, self._begin = call.send, call.push, call.begin
        call.send, call.push, call.begin = self._copied_send, self._copied_push, self._copied_begin

    def sealed(self, request_id: str, right: Right, key: str) -> Content:
        """All of it, sealed with this key for this request."""
        answered = b"".join(self._answered)
        plain = orjson.dumps(
            {
                "asked": self._asked[:_HALF].decode("utf-8", "replace"),
                "answered": answered[:_HALF].decode("utf-8", "replace"),
                "cut": max(len(self._asked), self._size) > _HALF,
            }
        )
        sealed = seal(plain, key, request_id)
        principal = right.identity.principal
        whose = (principal.user_id, principal.project_id, right.route.model)
        return Content(request_id, *whose, key, base64.b64encode(sealed).decode())

    async def _copied_send(self, message: Message) -> None:
        self._take(message.get("body", b""))
        await self._send(message)

    def _copied_push(self, data: bytes) -> bool:
        pushed = self._push(data)
        if pushed:
            self._take(data)
        return pushed

    def _copied_begin(self, status: int, headers: Headers, body: bytes | None) -> bool:
        begun = self._begin(status, headers, body)
        if begun and body:
            self._take(body)
        return begun

    def _take(self, data: bytes) -> None:
        if self._size <= _HALF:
            self._answered.append(data)
        self._size += len(data)


class Keeper:
    """Hands sealed content to the control plane, beside the queries and in their order."""

    def __init__(self, introspector: Introspector, metrics: Metrics) -> None:
        self._introspector, self._metrics = introspector, metrics
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    def keep(self, content: Content) -> None:
        """Take it along; where too much waits already, it is lost and counted."""
        body = content.to_json().encode()
        if self._bytes + len(body) > _WAITING_BYTES:
            self._metrics.count("content", "lost")
            return
        self._waiting.append(body)
        self._bytes += len(body)

    async def hand_over(self) -> None:
        """Everything that waits, until the control plane does not answer: the rest is tried again later."""
        while self._waiting:
            kept = await self._introspector.hand_over(self._waiting[0])
            if kept is None:
                return
            self._bytes -= len(self._waiting.popleft())
            self._metrics.count("content", "kept" if kept else "lost")
