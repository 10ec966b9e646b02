"""Bytes that no client of good will sends: never a 5xx of ours, never a field that the engine did not expect."""

from __future__ import annotations

import json
import random
import socket
from contextlib import suppress
from typing import Any

import pytest

from inference.gateway import fields
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL


def exchange(gateway: rig.Gateway, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send these bytes, read one answer: status, headers, body. Status 0 when the connection was closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.settimeout(10)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        seen = b""
        try:
            while not (ended := answer_of(seen)) and (part := connection.recv(65536)):
                seen += part
        except ConnectionResetError:
            ended = answer_of(seen)
    return ended or (0, {}, seen)


def answer_of(seen: bytes) -> tuple[int, dict[str, str], bytes] | None:
    head, gap, body = seen.partition(b"\r\n\r\n")
    if not gap:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers:
        size = int(headers["content-length"])
        return (int(first.split(" ")[1]), headers, body[:size]) if len(body) >= size else None
    return (int(first.split(" ")[1]), headers, body) if body.endswith(b"0\r\n\r\n") else None


def post(
    token: bytes, body: bytes, *, path: bytes = b"/v1/completions", more: bytes = b"", size: int | None = None
) -> bytes:
    length = len(body) if size is None else size
    head = b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%bcontent-length: %d\r\n\r\n"
    return head % (path, token, more, length) + body


@pytest.fixture
def token(store: rig.Store) -> bytes:
    return store.grant(rig.principal()).encode()


GOOD = json.dumps({"model": MODEL, "prompt": "a b", "max_tokens": 3}).encode()


@pytest.mark.parametrize(
    "header",
    [b"authorization: Bearer \xff\xfe\x80", b"authorization: \xc3\x28", b"authorization: Bearer wb_q_' OR 1=1 --",
     b"authorization: Basic dXNlcjpwYXNz", b"authorization:", b"authorization: Bearer", b"authorization: Bearer  "],
)  # fmt: skip
def test_an_authorization_that_is_no_token_is_401(gateway: rig.Gateway, header: bytes) -> None:
    request = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\n%b\r\ncontent-length: %d\r\n\r\n%b" % (
        header,
        len(GOOD),
        GOOD,
    )
    status, headers, body = exchange(gateway, request)
    assert status == 401
    assert json.loads(body)["error"]["type"] == "authentication_error"
    assert headers["x-request-id"].startswith("req-")


def test_headers_of_any_bytes_change_nothing_and_go_nowhere(
    gateway: rig.Gateway, store: rig.Store, token: bytes, engine: rig.Engine
) -> None:
    hostile = (
        b"x-vllm-priority: -9\r\nx-session-id: \xff\xfe\r\nx-request-id: theirs\r\ntraceparent: 00-\x80\r\n"
        b"x-forwarded-for: 127.0.0.1\r\nx-data-parallel-rank: 7\r\ncookie: sessionid=secret\r\nvia: \xf0\x9f\x98\x80\r\n"
    )
    status, headers, _ = exchange(gateway, post(token, GOOD, more=hostile))
    assert status == 200
    sent = engine.truth()["headers"][-1].lower()
    assert {line.split(":")[0] for line in sent.split("\r\n")[1:]} == {
        "host",
        "content-type",
        "content-length",
        "x-request-id",
    }
    assert "theirs" not in sent
    assert headers["x-request-id"] in sent


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"), (b"{", "invalid_json"), (b"null", "invalid_json"), (b"[]", "invalid_json"),
        (b"\xff\xfe{}", "invalid_json"), (b'{"model":"\xc3\x28"}', "invalid_json"), (b"{}", "missing_model"),
        (b'{"model":7}', "missing_model"), (b'{"model":"' + b"x" * 300 + b'"}', "missing_model"),
        (b"[" * 100_000, "invalid_json"), (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "invalid_json"),
        (b'{"model":"\\ud800"}', "invalid_json"), (b'{"model":"m","temperature":NaN}', "invalid_json"),
        (b'{"model":"m","temperature":1e999}', "invalid_json"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(gateway: rig.Gateway, token: bytes, body: bytes, code: str) -> None:
    status, _, answer = exchange(gateway, post(token, body))
    assert status in {400, 404}
    assert json.loads(answer)["error"]["code"] == code


def test_a_deep_schema_is_refused(gateway: rig.Gateway, token: bytes) -> None:
    schema = json.loads('{"a":' * 40 + "1" + "}" * 40)
    body = {"model": MODEL, "prompt": "a", "response_format": schema}
    status, _, answer = exchange(gateway, post(token, json.dumps(body).encode()))
    assert (status, json.loads(answer)["error"]["param"]) == (400, "response_format")


def test_a_huge_body_is_413_before_it_is_sent(gateway: rig.Gateway, token: bytes) -> None:
    status, _, answer = exchange(gateway, post(token, b"", size=10**9))
    assert (status, json.loads(answer)["error"]["code"]) == (413, "body_too_large")
    status, _, _ = exchange(gateway, post(token, b"x" * (5 * 1024 * 1024)))
    assert status in {413, 0}


def test_only_token_ids_may_be_larger_than_a_mebibyte(gateway: rig.Gateway, token: bytes) -> None:
    text = json.dumps({"model": MODEL, "prompt": "a" * 1_100_000}).encode()
    status, _, answer = exchange(gateway, post(token, text))
    assert (status, json.loads(answer)["error"]["code"]) == (413, "body_too_large")
    ids = json.dumps({"model": MODEL, "prompt": [100_000] * 150_000, "max_tokens": 1}).encode()
    assert len(ids) > 1_048_576
    status, _, answer = exchange(gateway, post(token, ids))
    assert (status, json.loads(answer)["error"]["code"]) == (400, "context_length_exceeded")


def test_a_chunked_body_is_bounded_too(gateway: rig.Gateway, token: bytes) -> None:
    head = (
        b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ntransfer-encoding: chunked\r\n\r\n"
        % token
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    status, _, _ = exchange(gateway, head + chunk * 80)
    assert status in {413, 0}


def test_a_compressed_body_is_refused(gateway: rig.Gateway, token: bytes) -> None:
    status, _, answer = exchange(gateway, post(token, GOOD, more=b"content-encoding: gzip\r\n"))
    assert (status, json.loads(answer)["error"]["code"]) == (400, "unsupported_encoding")


@pytest.mark.parametrize(
    "path",
    [b"/v1/../internal/introspect", b"/v1/%2e%2e/internal", b"/v1//models", b"/v1/models/%ff%fe", b"/v1/models/../../etc",
     b"/v1/completions%00", b"/v1/models/" + b"a" * 5000, b"/internal/introspect", b"/metrics"],
)  # fmt: skip
def test_paths_that_lead_nowhere(gateway: rig.Gateway, token: bytes, path: bytes) -> None:
    request = b"GET %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % (path, token)
    status, _, body = exchange(gateway, request)
    assert status == 404
    assert json.loads(body)["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)  # fmt: skip
def test_shapes_of_smuggling_give_one_answer_at_most(gateway: rig.Gateway, request_bytes: bytes) -> None:
    status, _, body = exchange(gateway, request_bytes)
    assert status in {0, 400, 401}
    assert body.count(b"HTTP/1.1") == 0


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**70), 0.5, -0.0, 1e308, "", "a", "x" * 5000, "\x00", "\ud7ff",
    [], [1], ["a"], [[]], [[1, 2]], [None], {}, {"a": 1}, {"type": "json_object"}, {"1": 1}, "auto", "none",
]  # fmt: skip

GOOD_BODIES: dict[str, Any] = {"prompt": "a", "messages": [{"role": "user", "content": "a"}], "input": "a"}
PATHS = {"prompt": b"/v1/completions", "messages": b"/v1/chat/completions", "input": b"/v1/embeddings"}
MODELS = [MODEL] * 12 + [f"{MODEL}@c0ffee0", f"{MODEL}@{'d' * 40}", f"{MODEL}@", f"{MODEL}@\x00", "@" * 200]
HEADERS = [
    *[b""] * 10, b"idempotency-key: one\r\n", b"idempotency-key: \xff\xfe\r\n", b"idempotency-key: \r\n",
    b"idempotency-key: one\r\nidempotency-key: two\r\n", b"weighbridge-class: \xf0\x9f\r\n",
    b"idempotency-key: " + b"k" * 300 + b"\r\n", b"x-request-id: a\r\nx-request-id: b\r\n",
]  # fmt: skip


@pytest.mark.parametrize("cases", [400, pytest.param(10_000, marks=pytest.mark.drill)])
def test_mutated_requests_are_answered_and_nothing_unknown_goes_on(
    gateway: rig.Gateway, store: rig.Store, token: bytes, engine: rig.Engine, cases: int
) -> None:
    """Random fields with random values, and random damage to the bytes: 0 × 5xx, and the engine sees our list only."""
    dice = random.Random(20261124)
    known = {*fields.COMPLETION, *fields.CHAT, *fields.EMBEDDING, *GOOD_BODIES, "model", "cache_salt"}
    names = [*sorted(known), "best_of", "truncate_prompt_tokens", "priority", "x", "", "é" * 40]
    seen: set[int] = set()
    for case in range(cases):
        content, path = dice.choice(sorted(PATHS.items()))
        body: dict[str, Any] = {"model": dice.choice(MODELS), content: GOOD_BODIES[content]}
        body |= {} if content == "input" else {"max_tokens": 2}
        for _ in range(dice.randint(0, 3)):
            body[dice.choice(names)] = dice.choice(VALUES)
        data = bytearray(json.dumps(body).encode())
        if dice.random() < 0.3:
            data[dice.randrange(len(data))] = dice.randrange(256)
        more = dice.choice(HEADERS)
        status, _, answer = exchange(gateway, post(token, bytes(data), path=path, more=more))
        assert status in {200, 400, 404, 409, 413, 422}, (status, path, more, bytes(data), answer)
        seen.add(status)
        if case % 10 == 0:
            assert all(set(one) <= known for one in engine.truth()["bodies"])
            assert all(one["cache_salt"] == "5a17" * 8 for one in engine.truth()["bodies"])
    assert {200, 400, 404} <= seen
    assert store.held() == []
    for query in (b"", b"?model=", b"?model=%ff%fe", b"?model=a&model=b", b"?model=" + b"x" * 4000, b"?&&=%00;"):
        for path in (b"/tokenizer_info", b"/v1/models/%b@" % MODEL.encode(), b"/v1/queue"):
            request = b"GET %b%b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % (path, query, token)
            assert exchange(gateway, request)[0] in {200, 400, 403, 404}


def test_prompts_are_kept_nowhere(
    gateway: rig.Gateway, store: rig.Store, token: bytes, gateway_process: rig.Gateway
) -> None:
    canary = "canary-7f3a91"
    for body in ({"prompt": canary, "max_tokens": 2}, {"prompt": f"{canary} #status=500"}, {"prompt": canary, "n": 99}):
        exchange(gateway, post(token, json.dumps({"model": MODEL, **body}).encode()))
    for key in store.redis.scan_iter("*"):
        assert canary not in repr(_value(store, key))
    assert canary not in gateway_process.log.read_text()
    assert token.decode() not in gateway_process.log.read_text()


def _value(store: rig.Store, key: str) -> object:
    kind = store.redis.type(key)
    readers = {"string": store.redis.get, "hash": store.redis.hgetall, "stream": store.redis.xrange}
    return readers[kind](key) if kind in readers else store.redis.zrange(key, 0, -1)
