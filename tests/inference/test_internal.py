"""The private listener: its secret, its three paths, and no other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from inference import internal, metrics
from inference.contract import INTROSPECT_PATH, ROUTES, Introspection
from portal import counters
from tests.inference.bench import OPEN, append, event
from tests.inference.listener import environment, listening

ROOT = Path(__file__).parents[2]
RIGHT = b"Bearer test-internal-secret"


def ask(method: str, path: str, secret: bytes = RIGHT, body: bytes | None = b"") -> tuple[int, dict]:
    status, kind, answer = internal.respond(method, path, secret, body)
    return status, json.loads(answer) if "json" in kind else {"text": answer.decode()}


def test_introspection_answers_with_the_principal(bench):
    status, body = ask("POST", INTROSPECT_PATH, body=json.dumps({"digest": bench.token.digest}).encode())
    assert status == 200
    assert OPEN in Introspection.from_json(json.dumps(body)).principal.models


def test_an_inactive_token_is_an_answer_not_an_error(bench):
    status, body = ask("POST", INTROSPECT_PATH, body=json.dumps({"digest": "0" * 64}).encode())
    assert (status, body["active"], body["code"]) == (200, False, "invalid_token")


@pytest.mark.parametrize(
    "secret", [b"", b"Bearer ", b"Bearer wrong", b"test-internal-secret", RIGHT + b"x", b"\xff\xfe"]
)
@pytest.mark.parametrize("path", [INTROSPECT_PATH, "/internal/ready", "/internal/metrics", "/nothing"])
def test_nothing_is_answered_without_the_secret(secret, path):
    assert ask("GET", path, secret)[0] == 403
    assert ask("POST", path, secret, b"{}")[0] == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", INTROSPECT_PATH),
        ("POST", "/internal/ready"),
        ("GET", "/"),
        ("GET", "/internal/introspect/"),
        ("GET", "/admin/"),
    ],
)
def test_no_other_path_exists(method, path):
    assert ask(method, path)[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"digest": 5}',
        b'{"digest": null}',
        b"\xff" * 40,
        b'{"digest": ["a"]}',
    ],
)
def test_a_malformed_question_is_refused(body):
    assert ask("POST", INTROSPECT_PATH, body=body)[0] == 400


def test_a_huge_question_is_refused():
    assert ask("POST", INTROSPECT_PATH, body=None)[0] == 413


def test_readiness_names_its_parts(bench):
    assert ask("GET", "/internal/ready") == (200, {"ready": True, "parts": {"database": True, "limits": True}})


def test_without_the_limits_store_it_is_not_ready_and_cannot_introspect(bench, monkeypatch):
    broken = redis.Redis.from_url("unix:///nowhere.sock", socket_connect_timeout=0.1)
    monkeypatch.setattr(metrics, "client", lambda: broken)
    monkeypatch.setattr(counters, "client", lambda: broken)
    assert ask("GET", "/internal/ready") == (503, {"ready": False, "parts": {"database": True, "limits": False}})
    status, body = ask("POST", INTROSPECT_PATH, body=json.dumps({"digest": bench.token.digest}).encode())
    assert (status, body["code"]) == (503, "unavailable")
    assert "weighbridge_limits_up 0" in ask("GET", "/internal/metrics")[1]["text"]


def test_metrics_tell_what_waits(bench, store):
    append(store, event(), event())
    store.xgroup_create("wb:usage", "ledger", id="0")
    text = ask("GET", "/internal/metrics")[1]["text"]
    assert "weighbridge_usage_unposted 2" in text
    assert "weighbridge_limits_up 1" in text
    assert "weighbridge_outbox_waiting " in text


def call(scope: dict, messages: list[dict]) -> list[dict]:
    sent: list[dict] = []
    waiting = iter(messages)

    async def receive() -> dict:
        return next(waiting)

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(internal.application(scope, receive, send))
    return sent


def test_a_body_over_the_limit_is_not_read_to_its_end():
    scope = {"type": "http", "method": "POST", "path": INTROSPECT_PATH, "headers": [(b"authorization", RIGHT)]}
    part = {"type": "http.request", "body": b"x" * 3000, "more_body": True}
    assert call(scope, [part, part])[0]["status"] == 413


def test_the_listener_serves_on_its_socket_and_pushes_the_routes_at_start(tmp_path, store, transactional_db):
    store.hset(ROUTES, "ghost/model", "{}")
    with listening(tmp_path) as client:
        assert client.get("/internal/ready").status_code == 403
        headers = {"authorization": "Bearer test-internal-secret"}
        assert client.get("/internal/ready", headers=headers).json()["ready"] is True
        answer = client.post(INTROSPECT_PATH, headers=headers, json={"digest": "0" * 64})
        assert (answer.status_code, answer.json()["code"]) == (200, "invalid_token")
        assert client.get("/", headers=headers).status_code == 404
    assert store.hgetall(ROUTES) == {}


STARTED = """
import asyncio
import sys

from inference.internal import application


async def started():
    given = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive():
        return {"type": next(given)}

    async def send(message):
        pass

    await application({"type": "lifespan"}, receive, send)


asyncio.run(started())
known = set(sys.modules)
from django.urls import reverse

reverse("releases:why", args=["lyceum", "opt"])
print(sorted(set(sys.modules) - known))
"""


def test_the_first_refusal_loads_nothing(db):
    """It names a page; with no gated pool at the start the addresses were loaded then, for up to five seconds: a 503."""
    command = [sys.executable, "-c", STARTED]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
