"""uvicorn as this project runs it: `python -m inference.gateway.server APP --port 8001`, or `--uds PATH`, or `--fd N`.

uvicorn writes an answer's head and its body separately, two calls of the kernel; here the head waits for the first
part of the body, which takes a tenth off the processor time of a short answer (docs/performance.md). Four extensions of
ASGI: an answer can be begun (`call.BEGIN`) and parts of a stream be written (`call.PUSH`) without a coroutine and without
a look at each header for itself, no task need wait for a client to leave (`call.WHEN_GONE`), and files are sent by the
kernel (`sendfile.SENDFILE`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from inference.gateway.asgi import Headers
from inference.gateway.call import BEGIN, PUSH, WHEN_GONE
from inference.gateway.sendfile import SENDFILE, pour

_PLAIN: Final = bytes(set(range(256)) - set(range(32)) - {127} | {9})
"""What may stand in a header: everything but control characters."""
_SELDOM: Final = (20_000, 20, 20)
"""Objects that stay before circles among them are looked for. Python's own 700 are there in a few requests, which leave no
circles: to look each time took three hundredths of the processor time of a short answer (docs/performance.md)."""


class HeldHead:
    """The transport of one answer, which holds the head back until something follows it."""

    __slots__ = ("_cycle", "_gone", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle, self._transport = cycle, cycle.transport
        self._head: bytes | None = None
        self._gone: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        """Hold the first write of the answer; `100 Continue` comes before an answer begins, and passes."""
        if self._head is None:
            if self._cycle.response_started:
                self._head = data
            else:
                self._transport.write(data)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def begin(self, status: int, headers: Headers, body: bytes | None) -> bool:
        """Write a whole answer now, or without a body hold the head of a stream. Names of headers are taken as they are.

        False, and nothing is written, for a client that is slow, gone or wants no more than this answer or its head, and
        where a header holds what none may hold: uvicorn knows what to do.
        """
        cycle = self._cycle
        if cycle.response_started or cycle.flow.write_paused or cycle.disconnected:
            return False
        lines = [b": ".join(header) for header in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive or cycle.scope["method"] == "HEAD" or b"".join(lines).translate(None, _PLAIN):
            return False
        cycle.response_started, cycle.waiting_for_100_continue = True, False
        if body is None:
            cycle.chunked_encoding = True
            self._head = b"\r\n".join([STATUS_LINE[status][:-2], *lines, b"transfer-encoding: chunked", b"", b""])
            return True
        self._head = b""
        self._transport.write(b"\r\n".join([STATUS_LINE[status][:-2], *lines, b"", body]))
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def when_gone(self, then: Callable[[], None] | None) -> None:
        """Call it once when the client leaves, now if it has; None: nobody wants to know any more."""
        self._gone = then
        self._cycle.flow.resume_reading()  # uvicorn stops in a long body, and who does not read does not see the end
        if self._cycle.disconnected:
            self.lost()

    def lost(self) -> None:
        """The connection is gone."""
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()

    def push(self, part: bytes) -> bool:
        """Write a part of a chunked answer now. False, and nothing is written, when the client is slow or gone."""
        cycle = self._cycle
        if self._head is None or not cycle.chunked_encoding or cycle.response_complete:
            return False
        if cycle.flow.write_paused or cycle.disconnected:
            return False
        framed = b"%x\r\n%b\r\n" % (len(part), part)
        if self._head:
            self.write(framed)
        else:
            self._transport.write(framed)
        return True

    async def sendfile(self, file: int, start: int, end: int, gone: asyncio.Future[None]) -> int:
        """`sendfile.pour` into this answer, which has a Content-Length, behind all that was written before."""
        self.flush()
        while self._transport.get_write_buffer_size() and not gone.done():
            await asyncio.wait({gone}, timeout=0.001)
        own = os.dup(self._transport.get_extra_info("socket").fileno())  # the loop's own belongs to the transport
        try:
            reached = await pour(own, file, start, end, gone)
        finally:
            os.close(own)
        self._cycle.expected_content_length -= reached - start
        return reached

    def flush(self) -> None:
        """Let go a head that nothing followed: of an answer to HEAD, or of one that broke off."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Flush, then close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As the transport says."""
        return self._transport.is_closing()


class OneWrite(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with each answer's transport in a HeldHead."""

    _held: HeldHead | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the answer that is under way."""
        super().connection_lost(exc)
        if self._held is not None:
            self._held.lost()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Callable[..., Awaitable[None]]) -> None:
        self._held = held = HeldHead(cycle)
        ended = cycle.on_response
        offered = cast("dict[str, Any]", cycle.scope).setdefault("extensions", {})

        def end() -> None:
            held.flush()
            # No answer may refer to itself when it is over: to collect such circles took a sixth of all processor time.
            cycle.transport = self.transport
            offered.clear()
            ended()

        cycle.transport, cycle.on_response = cast("asyncio.Transport", held), end
        offered |= {BEGIN: held.begin, PUSH: held.push, WHEN_GONE: held.when_gone, SENDFILE: held.sendfile}
        super()._start_asgi_task(cycle, app)


def config(app: Any, **more: Any) -> uvicorn.Config:  # noqa: ANN401 uvicorn's own options
    """What every server of ours has in common: no access log, no trust in forwarded addresses, no advertisement.

    `app` is an ASGI app or its `module:attribute`.
    """
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=OneWrite,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        **{"timeout_graceful_shutdown": 5} | more,
    )


def main() -> None:
    """Serve until told to stop. Exits with 3 when the app or the address cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m inference.gateway.server", description="Serve an ASGI app.")
    parser.add_argument("app", help="module:attribute")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--uds", help="a Unix socket in place of host and port")
    parser.add_argument("--fd", type=int, help="a TCP socket that the parent has bound")
    parser.add_argument("--timeout-keep-alive", type=int, default=5, help="seconds an idle connection is kept")
    parser.add_argument("--timeout-graceful-shutdown", type=int, default=5, help="seconds for what runs at the end")
    parser.add_argument("--log-level", default="info")
    given = vars(parser.parse_args())
    # uvicorn's own --fd takes any socket for a Unix one, and so leaves Nagle's algorithm on.
    fd = given.pop("fd")
    gc.set_threshold(*_SELDOM)
    server = uvicorn.Server(config(**given))
    server.run(sockets=None if fd is None else [socket.socket(fileno=fd)])
    if not server.started:
        raise SystemExit(3)


if __name__ == "__main__":
    main()
