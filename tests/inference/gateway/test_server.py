"""The server holds the head of an answer until something follows it, and loses none."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from inference.gateway.call import BEGIN, PUSH
from inference.gateway.server import config
from tests.inference.gateway.rig import ROOT

PUSHED: list[object] = []
"""What pushing answered, last time."""
BEGUN: list[bool] = []
"""What beginning a whole answer twice answered, last time."""
FLOOD = 50_000
MANY = 200


BEGINNINGS = {"/begin": b"begun", "/forged": b"a\r\nset-cookie: b", "/pour": b"stream"}
"""Paths of answers that are begun at once, and a header of each."""


async def begins(scope, send):
    whole = None if scope["path"] == "/pour" else b"whole"
    headers = [(b"x-kind", BEGINNINGS[scope["path"]]), *([(b"content-length", b"5")] if whole else [])]
    begin, push = scope["extensions"][BEGIN], scope["extensions"][PUSH]
    BEGUN[:] = [begin(200, headers, whole) for _ in ("first", "again")]
    if whole is None:
        assert push(b"part")
    elif not BEGUN[0]:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
    if not BEGUN[0] or whole is None:
        await send({"type": "http.response.body", "body": whole or b""})


async def app(scope, receive, send):
    """/whole, /empty, /stream, /broken (after the head), /late (asks for the body), /crash (before the head), those of
    BEGINNINGS, and /push, /flood (parts written at once)."""
    path = scope["path"]
    start = {"type": "http.response.start", "status": 200}
    if path == "/crash":
        raise RuntimeError("before the head")
    if path == "/broken":
        await send({**start, "headers": [(b"content-length", b"10")]})
        raise RuntimeError("after the head")
    if path == "/stream":
        await send({**start, "headers": [(b"x-kind", b"stream")]})
        for part in (b"one", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    if path in BEGINNINGS:
        await begins(scope, send)
        return
    push = scope["extensions"][PUSH]
    if path == "/push":
        before = push(b"before the head")
        await send({**start, "headers": []})
        during = push(b"one"), push(b"two")
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        PUSHED[:] = [before, *during, push(b"after the end")]
        return
    if path == "/flood":
        await send({**start, "headers": []})
        count = 0
        while count < FLOOD and push(b"x" * 1000):
            count += 1
        PUSHED[:] = [count]
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    body = b"" if path == "/empty" else b"whole"
    if path == "/late":
        body = (await receive())["body"]
    await send({**start, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def talk(port: int, *requests: bytes) -> bytes:
    """Everything that comes back on one connection, until the server closes it after the last request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"".join(requests))
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


def ask(method: str, path: str, *, close: bool = True) -> bytes:
    end = b"connection: close\r\n" if close else b""
    return f"{method} {path} HTTP/1.1\r\nhost: t\r\n".encode() + end + b"\r\n"


def read_until(port: int, request: bytes, end: bytes) -> bytes:
    """What comes back on a connection that stays open."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(request)
        answer = b""
        while not answer.endswith(end):
            answer += line.recv(65536)
    return answer


def test_an_answer_that_is_begun_whole_is_the_same_as_one_that_is_sent(port: int) -> None:
    begun = read_until(port, ask("GET", "/begin", close=False) + ask("GET", "/stream", close=False), b"0\r\n\r\n")
    begun = begun[: begun.index(b"whole") + 5]
    assert BEGUN == [True, False], "and it cannot begin twice"
    sent = talk(port, ask("GET", "/begin"))
    assert BEGUN[0] is False
    lines = [{line for line in one.split(b"\r\n") if not line.startswith(b"date: ")} for one in (begun, sent)]
    assert lines[0] | {b"connection: close"} == lines[1]


def test_a_stream_that_is_begun_at_once_is_a_stream(port: int) -> None:
    head, _, body = read_until(port, ask("GET", "/pour", close=False), b"0\r\n\r\n").partition(b"\r\n\r\n")
    assert b"\r\nx-kind: stream\r\n" in head
    assert body == b"4\r\npart\r\n0\r\n\r\n"
    assert BEGUN == [True, False]


@pytest.mark.parametrize(("method", "close"), [("HEAD", False), ("HEAD", True), ("GET", True)])
def test_who_wants_a_head_alone_or_no_more_answers_is_not_begun_at(port: int, method: str, *, close: bool) -> None:
    answer = talk(port, ask(method, "/begin", close=close), *([] if close else [ask("GET", "/empty")]))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"whole") is (method == "GET")
    assert BEGUN[0] is False


def test_no_header_begins_another_line(port: int) -> None:
    answer = talk(port, ask("GET", "/forged", close=False))
    assert answer == b"", "nothing of it is sent"
    assert BEGUN == [False, False]


def test_an_answer_comes_whole(port: int) -> None:
    head, _, body = talk(port, ask("GET", "/whole")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"whole"


def test_head_and_body_leave_in_one_write(port: int) -> None:
    """A reader that was waiting gets both at its first read."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(ask("GET", "/whole", close=False))
        assert line.recv(65536).endswith(b"\r\n\r\nwhole")


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/whole"), ("GET", "/empty"), ("HEAD", "/empty")])
@pytest.mark.parametrize("close", [True, False])
def test_a_head_that_nothing_follows_is_sent(port: int, method: str, path: str, *, close: bool) -> None:
    answer = talk(port, ask(method, path, close=close), *([] if close else [ask("GET", "/whole")]))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == (1 if close else 2)
    assert answer.endswith(b"\r\n\r\n" if close else b"\r\n\r\nwhole")


def test_a_stream_begins_with_its_head(port: int) -> None:
    head, _, body = talk(port, ask("GET", "/stream")).partition(b"\r\n\r\n")
    assert b"x-kind: stream" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


def test_a_pushed_part_goes_out_between_head_and_end_only(port: int) -> None:
    head, _, body = talk(port, ask("GET", "/push")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert PUSHED == [False, True, True, False]


def test_a_client_that_does_not_read_is_not_pushed_at(port: int) -> None:
    body = talk(port, ask("GET", "/flood")).partition(b"\r\n\r\n")[2]
    assert 0 < PUSHED[0] < FLOOD
    assert body.count(b"3e8\r\n") == PUSHED[0]
    assert body.endswith(b"0\r\n\r\n")


def test_an_answer_leaves_nothing_for_the_collector(port: int) -> None:
    """Circles of references are freed too, in time; to find them took a sixth of the gateway's processor time."""
    asked = [ask("GET", path, close=False) for path in ("/stream", "/begin", "/pour")] * (MANY // 3)
    gc.collect()
    gc.disable()
    try:
        talk(port, *asked, ask("GET", "/whole"))
        assert gc.collect() < MANY, "what a connection leaves is little, and no answer leaves anything"
    finally:
        gc.enable()


def test_an_answer_that_breaks_off_has_its_head_and_is_closed(port: int) -> None:
    assert talk(port, ask("GET", "/broken", close=False)).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_crash_before_the_head_is_a_500(port: int) -> None:
    assert talk(port, ask("GET", "/crash")).startswith(b"HTTP/1.1 500 ")


def test_a_client_that_waits_is_told_to_continue(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(
            b"POST /late HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
        )
        assert line.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"late")
        answer = b""
        while part := line.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nlate")


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    answer = talk(port, ask("GET", "/stream", close=False), ask("HEAD", "/whole", close=False), ask("GET", "/whole"))
    assert [part[:14] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200 OK\r\ndate: "] * 3
    assert answer.endswith(b"\r\n\r\nwhole")


async def slow(scope, receive, send):
    """Ten parts, five in a second."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(10):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 9})
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(("seconds", "whole"), [("20", True), ("1", False)])
def test_a_stream_goes_on_while_its_server_is_stopped_for_as_long_as_that_server_was_told(seconds, whole):
    listener = socket.create_server(("127.0.0.1", 0))
    line = [sys.executable, "-m", "inference.gateway.server", "tests.inference.gateway.test_server:slow"]
    told = ["--fd", str(listener.fileno()), "--timeout-graceful-shutdown", seconds]
    with subprocess.Popen([*line, *told], cwd=ROOT, pass_fds=[listener.fileno()]) as server:
        with socket.create_connection(listener.getsockname(), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            seen = client.recv(65536)
            server.terminate()
            while part := client.recv(65536):
                seen += part
        assert server.wait(30) is not None
    listener.close()
    assert seen.endswith(b"0\r\n\r\n") is whole
