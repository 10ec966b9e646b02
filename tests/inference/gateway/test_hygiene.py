"""Nothing but the request goes to the engine, and nothing but the answer comes back."""

from __future__ import annotations

import json

import pytest

from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_hostile import exchange, post

OURS = {
    "content-type", "content-length", "transfer-encoding", "cache-control", "x-accel-buffering", "x-request-id", "date",
    "weighbridge-model-revision", "weighbridge-engine", "weighbridge-fingerprint", "connection", "server",
    "retry-after", "retry-after-ms", "x-should-retry",
}  # fmt: skip
"""Every header that an answer may have beside those of limits."""
FORGED = (
    b"x-request-id: req-forged\r\nX-Request-ID: req-forged-too\r\nx-correlation-id: c\r\nx-vllm-priority: -9\r\n"
    b"x-session-id: s\r\nx-data-parallel-rank: 3\r\nforwarded: for=127.0.0.1\r\nx-forwarded-host: evil.test\r\n"
    b"x-forwarded-proto: https\r\nx-real-ip: 127.0.0.1\r\ntraceparent: 00-a-b-01\r\ncookie: sessionid=1\r\n"
    b"proxy-authorization: Basic eA==\r\nte: trailers\r\ntrailer: x-evil\r\nupgrade: h2c\r\nkeep-alive: timeout=99\r\n"
    b"proxy-connection: keep-alive\r\nconnection: keep-alive, x-vllm-priority, authorization\r\nexpect: \r\n"
    b"x-http-method-override: DELETE\r\nx-original-url: /metrics\r\nx-rewrite-url: /metrics\r\nrange: bytes=0-1\r\n"
)


@pytest.fixture
def token(store: rig.Store) -> bytes:
    return store.grant(rig.principal()).encode()


def body_of(path: bytes, prompt: str, **more: object) -> bytes:
    name = "input" if path == b"/v1/embeddings" else "prompt"
    content: object = prompt
    if path == b"/v1/chat/completions":
        name, content = "messages", [{"role": "user", "content": prompt}]
    sent = {"model": MODEL, name: content, **more}
    return json.dumps(sent | ({} if name == "input" else {"max_tokens": 2})).encode()


QUERIES = [b"/v1/completions", b"/v1/chat/completions", b"/v1/embeddings"]


@pytest.mark.parametrize("path", QUERIES)
def test_forged_and_hop_by_hop_headers_end_at_the_gateway(
    gateway: rig.Gateway, token: bytes, engine: rig.Engine, path: bytes
) -> None:
    status, headers, _ = exchange(gateway, post(token, body_of(path, "a"), path=path, more=FORGED))
    assert status == 200
    head = engine.truth()["headers"][-1].lower()
    names = [line.split(":")[0] for line in head.split("\r\n")[1:]]
    assert sorted(names) == ["content-length", "content-type", "host", "x-request-id"], "each once"
    assert f"x-request-id: {headers['x-request-id']}" in head
    assert head.startswith(f"post {path.decode()} http/1.1"), "the path is the endpoint's own, whatever was rewritten"
    for word in ("forged", "evil", token.decode().lower(), "bearer", "127.0.0.1\r\nx-"):
        assert word not in head


@pytest.mark.parametrize("path", QUERIES)
@pytest.mark.parametrize("order", ["", " #status=400", " #status=302", " #status=307", " #status=401", " #status=500"])
def test_the_engines_own_headers_and_redirects_stay_behind(
    gateway: rig.Gateway, token: bytes, path: bytes, order: str
) -> None:
    status, headers, body = exchange(gateway, post(token, body_of(path, f"a #leak=1{order}"), path=path))
    assert status == {"": 200, " #status=400": 400, " #status=500": 503}.get(order, 502)
    assert headers.keys() <= OURS | {name for name in headers if name.startswith("x-ratelimit-")}
    assert headers["x-request-id"].startswith("req-")
    for word in (b"elsewhere", b"node-7", b"evil.test", b"engine=1"):
        assert word not in repr(headers).encode() + body


def test_a_streams_headers_are_ours_alone(gateway: rig.Gateway, token: bytes) -> None:
    body = body_of(b"/v1/completions", "a #leak=1 #itl=1", stream=True)
    status, headers, data = exchange(gateway, post(token, body))
    assert status == 200
    assert headers.keys() <= OURS
    assert b"node-7" not in repr(headers).encode() + data


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/pause", "/resume", "/sleep", "/wake_up", "/abort_requests", "/v1/load_lora_adapter", "/invocations",
     "/pooling", "/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank", "/classify", "/version", "/server_info",
     "/collective_rpc", "/reset_prefix_cache", "/v1/responses", "/v1/messages", "/inference/v1/generate", "/docs",
     "/openapi.json", "/ping", "/load", "/start_profile", "/v1/audio/transcriptions", "/truth", "/reset",
     "/v1/embeddings/", "/tokenizer_info/", "/V1/completions", "/v1/%63ompletions/..", "//v1/completions"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_other_path_of_an_engine_is_reached(
    gateway: rig.Gateway, token: bytes, engine: rig.Engine, path: str, method: str
) -> None:
    before = engine.truth()["finished"]
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token.decode()}\r\ncontent-length: 2\r\n\r\n{{}}"
    status, _, body = exchange(gateway, head.encode())
    assert (status, json.loads(body)["error"]["code"]) == (404, "unknown_endpoint")
    assert engine.truth()["finished"] == before
