"""Our own client of engines beside the library's: the same answers to the same bytes, however they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.gateway.http1 import Http1Upstream
from inference.gateway.upstream import AiohttpUpstream, Broken, Unanswered, Upstream

CLIENTS = (Http1Upstream, AiohttpUpstream)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def serve_and_ask(
    pieces: list[bytes],
    what: Callable[[Upstream, str], Awaitable[Any]],
    client: type = Http1Upstream,
    *,
    close: bool = False,
) -> Any:
    """A server that answers each request with these writes, one at a time; then `close`s or waits."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                if size:
                    await reader.readexactly(int(size))
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run() -> Any:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        upstream = client(connect_seconds=2)
        try:
            async with asyncio.timeout(10):
                return await what(upstream, url)
        finally:
            await upstream.close()
            server.close()

    return uvloop.run(run())


async def whole(upstream: Upstream, url: str) -> tuple[int, bytes] | str:
    try:
        exchange = await upstream.open(url, "/v1/completions", b"{}", "req-1")
        try:
            return exchange.status, await exchange.body(1 << 20)
        finally:
            exchange.abort()
    except Unanswered:
        return "unanswered"
    except Broken:
        return "broken"


async def in_parts(upstream: Upstream, url: str) -> tuple[int, bytes] | str:
    try:
        exchange = await upstream.open(url, "/v1/completions", b"{}", "req-1")
        parts = []
        try:
            while part := await exchange.read():
                parts.append(part)
        finally:
            exchange.abort()
        return exchange.status, b"".join(parts)
    except Unanswered:
        return "unanswered"
    except Broken:
        return "broken"


async def poured(upstream: Upstream, url: str) -> tuple[int, bytes] | str:
    """As a stream is passed on: handed over as it comes, by a reader that now and then wants to breathe."""
    try:
        exchange = await upstream.open(url, "/v1/completions", b"{}", "req-1")
        parts: list[bytes] = []

        def into(part: bytes) -> bool:
            parts.append(part)
            return len(parts) % 3 != 0

        try:
            declined = True
            while declined:
                declined = await exchange.pour(into)
                await asyncio.sleep(0)
        finally:
            exchange.abort()
        return exchange.status, b"".join(parts)
    except Unanswered:
        return "unanswered"
    except Broken:
        return "broken"


ANSWERS = [
    (OK, False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    (b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", False),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, False),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", True),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", True),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", True),
    (b"HTTP/1.1 200", True),
    (b"", True),
    (b"SSH-2.0-OpenSSH\r\n\r\n", True),
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(ANSWERS), st.data())
def test_both_clients_read_the_same(answer: tuple[bytes, bool], data: st.DataObject) -> None:
    sent, close = answer
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if b > a]
    ask = data.draw(st.sampled_from([whole, in_parts, poured]))
    ours, theirs = (serve_and_ask(pieces, ask, client, close=close) for client in CLIENTS)
    assert ours == theirs


@pytest.mark.parametrize("ask", [whole, in_parts, poured])
@pytest.mark.parametrize("cut", [20, 47, 48, 52])
def test_a_chunk_without_a_size_is_broken_wherever_it_is_cut(ask: Any, cut: int) -> None:
    """Ours alone: aiohttp waits for ever when the bad size comes in a packet of its own."""
    sent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n"
    assert serve_and_ask([sent[:cut], sent[cut:]], ask, close=True) in {"broken", "unanswered"}


def test_a_connection_is_used_again() -> None:
    ports = []

    async def twice(upstream: Upstream, url: str) -> list[Any]:
        answers = []
        for _ in range(3):
            exchange = await upstream.open(url, "/x", b"{}", "r")
            answers.append(await exchange.body(100))
            exchange.abort()
            ports.append(len(upstream._idle["127.0.0.1", int(url.rpartition(":")[2])]))  # type: ignore[attr-defined]
        return answers

    assert serve_and_ask([OK], twice) == [b"hello"] * 3
    assert ports == [1, 1, 1]


def test_a_pooled_connection_that_was_closed_is_told_apart() -> None:
    async def ask(upstream: Upstream, url: str) -> bool:
        exchange = await upstream.open(url, "/x", b"{}", "r")
        await exchange.body(100)
        with pytest.raises(Unanswered) as caught:
            await upstream.open(url, "/x", b"{}", "r")
        return caught.value.stale

    answered = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        if not answered:
            answered.append(1)
            writer.write(OK)
        await reader.readuntil(b"{}")
        writer.close()

    async def run() -> bool:
        server = await asyncio.start_server(once, "127.0.0.1", 0)
        upstream = Http1Upstream(connect_seconds=2)
        try:
            return await ask(upstream, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            await upstream.close()
            server.close()

    assert uvloop.run(run()) is True


def test_nobody_there_is_not_stale() -> None:
    async def ask() -> bool:
        upstream = Http1Upstream(connect_seconds=1)
        with pytest.raises(Unanswered) as caught:
            await upstream.open("http://127.0.0.1:1", "/x", b"{}", "r")
        assert await upstream.get("http://127.0.0.1:1", "/health", 1) is None
        return caught.value.stale

    assert uvloop.run(ask()) is False


def test_an_answer_larger_than_its_bound_is_broken_off() -> None:
    async def ask(upstream: Upstream, url: str) -> None:
        exchange = await upstream.open(url, "/x", b"{}", "r")
        with pytest.raises(Broken):
            await exchange.body(100)
        exchange.abort()

    for client in CLIENTS:
        serve_and_ask([b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", *[b"x" * 1000] * 100], ask, client)


def test_headers_without_end_are_given_up() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 1000 + b"\r\n"] * 200]
    assert serve_and_ask(pieces, whole) == "unanswered"


def test_a_slow_reader_makes_the_engine_wait() -> None:
    """Ten megabytes are offered; what waits here stays bounded."""

    async def ask(upstream: Upstream, url: str) -> tuple[int, int]:
        exchange = await upstream.open(url, "/x", b"{}", "r")
        await asyncio.sleep(0.3)
        held = exchange._size  # type: ignore[attr-defined]
        size = 0
        while part := await exchange.read():
            size += len(part)
        return held, size

    pieces = [b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n", *[b"x" * 100_000] * 100]
    held, size = serve_and_ask(pieces, ask)
    assert held < 1_000_000
    assert size == 10_000_000


def test_what_came_before_the_answer_broke_is_handed_on() -> None:
    """It was produced, so it is billed; also when the good part and the bad come in one packet."""
    seen: list[bytes] = []

    async def ask(upstream: Upstream, url: str) -> None:
        exchange = await upstream.open(url, "/x", b"{}", "r")
        await exchange.pour(lambda part: not seen.append(part))

    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with pytest.raises(Broken):
        serve_and_ask([head, b"3\r\nabc\r\nzz\r\n"], ask, close=True)
    assert b"".join(seen) == b"abc"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_never_waited_for(noise: bytes) -> None:
    answer = serve_and_ask([noise] if noise else [], whole, close=True)
    assert answer in {"unanswered", "broken"} or isinstance(answer, tuple)


def test_health() -> None:
    async def ask(upstream: Upstream, url: str) -> bytes | None:
        return await upstream.get(url, "/health", 2)

    for client in CLIENTS:
        assert serve_and_ask([OK], ask, client) == OK.partition(b"\r\n\r\n")[2]
        assert serve_and_ask([b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"], ask, client) is None


def test_the_body_is_sent_as_it_is() -> None:
    body = json.dumps({"prompt": "ä" * 50_000}).encode()
    seen = []

    async def run() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append((head, await reader.readexactly(len(body))))
            writer.write(OK)

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        upstream = Http1Upstream(connect_seconds=2)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        exchange = await upstream.open(url, "/v1/chat/completions", body, "req-7")
        await exchange.body(10)
        await upstream.close()
        server.close()

    uvloop.run(run())
    ((head, got),) = seen
    assert got == body
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"x-request-id: req-7\r\n" in head
