"""Everybody at the doors beside Django's: what planes.py declares is what they answer, and nothing is undeclared."""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from django.utils import timezone

from inference import internal
from portal import asgi
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from releases.blobs import Blobs
from tests.architecture.planes import KNOCKING, LINKS, METHODS, PRIVATE, QUERIES, UPLOADS
from tests.architecture.scene import Scene
from tests.inference.gateway import rig
from tests.inference.listener import listening

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("inference/gateway/app.py", "inference/internal.py", "inference/contract.py", "releases/permits.py")
SHUT = ("/v1", "/v1/", "/v1/rerank", "/v1/completions/", "/tokenize/x", "/healthz", "/v1/../admin/")


def word(status: int) -> str:
    return "ok" if 200 <= status < 300 else "bad" if status in {400, 409, 422} else str(status)


def spelled() -> set[str]:
    """Every path that the planes' code spells."""
    literals = (
        node.value
        for source in SOURCES
        for node in ast.walk(ast.parse((ROOT / source).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {
        text
        for text in literals
        if text.startswith("/") and len(text) > 1 and text.replace("/", "").replace("_", "").isalnum()
    }


def test_every_path_of_the_planes_is_declared_and_no_other():
    below = "/v1/models/"
    declared = {door.path for door in QUERIES if not door.path.startswith(below)} | {LINKS, UPLOADS} | set(PRIVATE)
    assert spelled() == declared, "add or remove its line in tests/architecture/planes.py"


def test_the_public_port_knows_these_planes_alone():
    public = {door.path.split("/")[1] for door in QUERIES}
    assert (public, {LINKS.strip("/")}) == (set(asgi.GATEWAY), set(asgi.BLOBS))
    assert {path.split("/")[1] for path in PRIVATE} <= set(asgi.PRIVATE)


@pytest.fixture
def credentials(transactional_db: None, tmp_path: Path) -> dict[str, dict[str, str]]:
    """A header for each of KNOCKING."""
    scene = Scene(tmp_path)
    holder, now = scene.people["holder"], timezone.now()
    expired, expired_secret = tokens.issue(by=holder, kind=Kind.QUERY, label="expired query")
    revoked, revoked_secret = tokens.issue(by=holder, kind=Kind.QUERY, label="revoked query")
    AccessToken.objects.filter(pk=expired.pk).update(
        created_at=now.replace(year=2020), expires_at=now.replace(year=2021)
    )
    tokens.revoke(by=holder, token=revoked)
    scene.secrets |= {"expired_query_token": expired_secret, "revoked_query_token": revoked_secret}
    session = "; ".join(f"{name}={value.value}" for name, value in scene.client("holder").cookies.items())
    return {who: scene.headers(who) for who in KNOCKING} | {"holder": {"Cookie": session}}


@pytest.fixture
def gateway(credentials: Any) -> Iterator[rig.Gateway]:
    """The gateway over the control plane's own listener, both in processes of their own."""
    with TemporaryDirectory(prefix="wb-gw-", dir="/tmp") as name, listening(Path(name), secret=rig.SECRET):
        running = rig.Gateway(Path(name), os.environ["REDIS_URL"]).ready()
        yield running
        running.stop()


def test_the_query_plane_answers_everybody_as_declared(gateway: rig.Gateway, credentials: dict[str, Any]) -> None:
    wrong = []
    with httpx.Client(base_url=gateway.base, timeout=20) as client:
        for door in QUERIES:
            for method in METHODS:
                for who, headers in credentials.items():
                    got = word(client.request(method, door.path, headers=headers, json=dict(door.send)).status_code)
                    if got != door.answer(method, who):
                        wrong.append(f"{method} {door.path} as {who}: {got}, declared {door.answer(method, who)}")
        for path in SHUT:
            got = {word(client.get(path, headers=headers).status_code) for headers in credentials.values()}
            wrong += [f"GET {path}: {got}"] if got != {"404"} else []
    assert not wrong, "\n".join(wrong)


def asked(app: Any, method: str, path: str, headers: dict[str, str]) -> int:
    """Status of one request to an ASGI application."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw, "root_path": ""}
    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])


def test_no_credential_opens_a_link_that_is_not_signed(credentials: dict[str, Any], tmp_path: Path) -> None:
    app = Blobs(tmp_path, (b"key",))
    for path in (LINKS, f"{LINKS}{'0' * 64}", "/blobs", f"{LINKS}../secrets/SECRET_KEY"):
        for method in METHODS:
            got = {word(asked(app, method, path, headers)) for headers in credentials.values()}
            assert got == {"403" if method in {"GET", "HEAD"} else "405"}, (method, path, got)
    for path in (UPLOADS, f"{UPLOADS}{'0' * 32}/1", f"{UPLOADS}../{'0' * 64}"):
        for method in METHODS:
            got = {word(asked(app, method, path, headers)) for headers in credentials.values()}
            assert got == {"403" if method in {"GET", "HEAD", "PUT"} else "405"}, (method, path, got)


def test_no_credential_opens_the_private_listener_and_the_public_port_does_not_have_it(
    credentials: dict[str, Any],
) -> None:
    for path in (*PRIVATE, "/internal/nothing", "/metrics"):
        for method in METHODS:
            for who, headers in credentials.items():
                shown = headers.get("Authorization", "").encode()
                assert internal.respond(method, path, shown, b"{}")[0] == 403, (method, path, who)
                assert asked(asgi.application, method, path, headers) == 404, (method, path, who)


def test_the_internal_secret_opens_what_is_declared_and_nothing_else(db: None) -> None:
    secret = b"Bearer test-internal-secret"
    for path in (*PRIVATE, "/internal/nothing", "/admin/"):
        for method in METHODS:
            got = internal.respond(method, path, secret, b"{}")[0]
            assert (got != 404) == (PRIVATE.get(path) == method), (method, path, got)
