"""A body that breaks off on its way is nothing: what came of it is never taken for the whole."""

from __future__ import annotations

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases.curve_models import Recording
from releases.logbook_models import Logbook
from releases.models import Revision
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer

COMMIT = "/api/models/lyceum/open/commit/main"
LINES = b"".join(
    json.dumps(line).encode() + b"\n"
    for line in (
        {"key": "header", "value": {"summary": "Two files"}},
        {"key": "file", "value": {"path": "one.txt", "content": "b25l", "encoding": "base64"}},
        {"key": "file", "value": {"path": "two.txt", "content": "dHdv", "encoding": "base64"}},
    )
)
NUMBERS = b"".join(json.dumps({"step": n, "loss": 5 - n / 1000}).encode() + b"\n" for n in range(1, 1001))


def managing(hub: Hub) -> dict[str, str]:
    """A program of the lab's that looks after logbooks."""
    return bearer(tokens.issue(by=hub.world.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="t")[1])


def broken(url: str, target: str, body: bytes, kept: int, *, chunked: bool, **headers: str) -> None:
    """Send the first `kept` bytes of the body, then go away; back when the server has had time to act on it."""
    parts = urlsplit(url)
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        size,
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    sent = b"%x\r\n%b\r\n" % (kept, body[:kept]) if chunked else body[:kept]
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
        time.sleep(0.3)
    time.sleep(1.0)


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_commit_that_breaks_off_between_two_lines_commits_nothing(hub: Hub, *, chunked: bool) -> None:
    who = bearer(hub.token(hub.world.manager, Kind.PUBLISH)) | {"Content_Type": "application/x-ndjson"}
    before = Revision.objects.count()
    kept = LINES.index(b"\n", LINES.index(b"one.txt")) + 1
    broken(hub.url, COMMIT, LINES, kept, chunked=chunked, **who)
    assert Revision.objects.count() == before
    status, _, answer = ask(hub.url, COMMIT, "POST", LINES, **who)
    assert (status, Revision.objects.count()) == (200, before + 1), answer


def test_numbers_that_break_off_between_two_lines_are_no_curves(hub: Hub) -> None:
    book = Logbook.objects.create(model=hub.open, title="Logbook")
    target = f"/api/v1/logbooks/{book.pk}/curves?run=r&source=metrics.jsonl"
    who = managing(hub) | {"Content_Type": "application/octet-stream"}
    broken(hub.url, target, NUMBERS, NUMBERS.index(b"\n", 9_000) + 1, chunked=False, **who)
    assert not Recording.objects.exists()
    status, _, answer = ask(hub.url, target, "POST", NUMBERS, **who)
    assert (status, json.loads(answer)["rows"]) == (201, 1000)


def test_two_who_bring_the_same_numbers_at_once_bring_them_once(hub: Hub) -> None:
    book = Logbook.objects.create(model=hub.open, title="Logbook")
    target = f"/api/v1/logbooks/{book.pk}/curves?run=r&source=metrics.jsonl"
    who = managing(hub) | {"Content_Type": "application/octet-stream"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(hub.url, target, "POST", NUMBERS, **who), range(4)))
    assert [status for status, _, _ in answers] == [201] * 4
    assert [row.curves.count() for row in Recording.objects.all()] == [1]


@pytest.mark.parametrize(
    ("target", "kind"),
    [("/api/v1/logbooks/{}/curves?run=r&source=metrics.jsonl", "application/octet-stream"),
     ("/api/v1/logbooks/{}/curves/take-back", "application/json")],
)  # fmt: skip
def test_a_body_without_a_size_is_asked_for_one(hub: Hub, target: str, kind: str) -> None:
    book = Logbook.objects.create(model=hub.open, title="Logbook")
    parts = urlsplit(hub.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = managing(hub) | {"Content-Type": kind, "Transfer-Encoding": "chunked"}
    connection.request("POST", target.format(book.pk), iter([b"{}\n"]), headers, encode_chunked=True)
    answer = connection.getresponse()
    problem: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert (answer.status, problem["code"]) == (400, "length_required")
    assert "Content-Length" in problem["title"]
