"""Whatever a client sends to a door of the Hub as JSON, it is told what is wrong; no body brings the portal to a fault."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from django.test import Client

from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.models import Model
from tests.portal.world import World

pytestmark = pytest.mark.django_db

MODEL: Final = "/api/models/lyceum/free"
DOORS: Final[dict[str, tuple[str, list[str]]]] = {
    "/api/repos/create": ("post", ["type", "organization", "name"]),
    "/api/repos/delete": ("delete", ["type", "organization", "name"]),
    "/api/repos/move": ("post", ["type", "fromRepo", "toRepo"]),
    "/api/validate-yaml": ("post", ["content"]),
    f"{MODEL}/paths-info/main": ("post", ["paths", "expand"]),
    f"{MODEL}/preupload/main": ("post", ["files", "gitIgnore"]),
    f"{MODEL}/branch/b": ("post", ["startingPoint"]),
    f"{MODEL}/tag/main": ("post", ["tag"]),
    f"{MODEL}/super-squash/b": ("post", ["message"]),
    f"{MODEL}/settings": ("put", ["gated", "private", "visibility"]),
    f"{MODEL}/lfs-files/batch": ("post", ["deletions"]),
    f"{MODEL}/user-access-request/handle": ("post", ["status", "user", "userId", "requestId"]),
    f"{MODEL}/user-access-request/batch": ("post", ["requests", "status", "reason"]),
    f"{MODEL}/user-access-request/grant": ("post", ["user"]),
    "/lyceum/free/ask-access": ("post", ["purpose"]),
    "/lyceum/free.git/info/lfs/objects/batch": ("post", ["operation", "transfers", "objects"]),
}
"""Each door that reads JSON, with the members that it reads."""
WHOLE: Final[dict[str, dict[str, Any]]] = {
    "/api/repos/create": {"name": "new", "organization": "lyceum"},
    "/api/repos/delete": {"name": "nothing", "organization": "lyceum"},
    "/api/repos/move": {"fromRepo": "lyceum/nothing", "toRepo": "lyceum/other"},
    f"{MODEL}/paths-info/main": {"paths": ["README.md"]},
    f"{MODEL}/preupload/main": {"files": [{"path": "a.bin", "size": 1}]},
    "/lyceum/free.git/info/lfs/objects/batch": {
        "operation": "upload", "transfers": ["multipart"], "objects": [{"oid": "a" * 64, "size": 5}],
    },
}  # fmt: skip
"""A body that is understood, where nothing less than one comes to the member."""
LONE, NUL = "\ud800", "\0"
ODD: Final[list[Any]] = [
    None, True, -1, 10**30, 1.5, "", LONE, f"a{NUL}b", "%s", "!", "a\\", [], [LONE], [NUL], [[]], [{}], {}, {"a": [LONE]},
    [{"path": LONE, "size": 1}], [{"path": "a", "size": 10**30}], [{"oid": LONE, "size": 1}],
    [{"oid": "a" * 64, "size": 10**30}], [{"oid": NUL, "size": 1}], [{"user": LONE}], [{"user": [1]}],
    {"sha": [LONE]}, {"sha": [NUL]}, {"sha": "a"},
]  # fmt: skip


@pytest.fixture
def publisher(lyceum: World, publish: Any) -> Client:
    """A release manager's program, with a published model that stands behind a gate."""
    publish(lyceum, "free", gate=lyceum.gate)
    secret = tokens.issue(by=lyceum.manager, kind=Kind.PUBLISH, label="t")[1]
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def send(client: Client, address: str, method: str, body: bytes | str) -> int:
    answer = getattr(client, method)(address, body, content_type="application/json")
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"].endswith("json"), (address, answer.content[:200])
    return answer.status_code


@pytest.mark.parametrize("address", DOORS)
def test_a_member_of_any_kind_is_taken_or_refused(publisher: Client, address: str) -> None:
    method, members = DOORS[address]
    faults = []
    for member in members:
        for odd in ODD:
            said = WHOLE.get(address, {}) | {member: odd}
            status = send(publisher, address, method, json.dumps(said))
            if status == 500:
                faults.append((status, said))
    assert faults == []
    assert Model.objects.filter(name="free").exists()


@pytest.mark.parametrize("address", DOORS)
def test_a_body_that_is_no_object_is_refused(publisher: Client, address: str) -> None:
    for body in (b"", b"[]", b"7", b"{", b"\xff\xfe", b"{}\xff", b"[" * 100_000, b'{"a":' * 100_000):
        assert send(publisher, address, DOORS[address][0], body) != 500, body[:9]


LINES: Final[list[dict[str, Any]]] = [
    {"key": "header", "value": {"summary": LONE}},
    {"key": "header", "value": {"summary": "s", "parentCommit": LONE}},
    {"key": "file", "value": {"path": LONE, "content": ""}},
    {"key": "file", "value": {"path": "a", "content": LONE, "encoding": "utf-8"}},
    {"key": "file", "value": {"path": "a", "content": LONE}},
    {"key": "file", "value": {"path": "a", "content": "", "encoding": []}},
    {"key": "lfsFile", "value": {"path": "a", "oid": LONE}},
    {"key": "lfsFile", "value": {"path": "a", "oid": "a" * 64, "size": []}},
    {"key": "deletedFile", "value": {"path": LONE}},
    {"key": "deletedFolder", "value": {"path": LONE}},
    {"key": LONE, "value": {}},
    {"key": [], "value": {}},
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{json.dumps(line):.60}")
def test_a_line_of_a_commit_of_any_kind_is_taken_or_refused(publisher: Client, line: dict[str, Any]) -> None:
    answer = publisher.post(f"{MODEL}/commit/main", json.dumps(line), content_type="application/x-ndjson")
    assert answer.status_code in {400, 404, 412, 501}, answer.content[:200]
    assert Model.objects.get(name="free").revisions.count() == 1


@pytest.mark.parametrize(
    ("address", "form"),
    [
        (f"{MODEL}/paths-info/main", {"paths": "a\0b"}),
        ("/lyceum/free/ask-access", {"purpose": "a\0b"}),
        ("/lyceum/free/ask-access", {"purpose": ["a\0b", "c"]}),
        ("/lyceum/free/ask-access", {"a\0b": "c"}),
    ],
)
def test_a_form_of_any_kind_is_taken_or_refused(publisher: Client, address: str, form: dict[str, Any]) -> None:
    assert publisher.post(address, form).status_code < 500


def test_an_applicants_answers_of_any_kind_are_taken_or_refused(lyceum: World, publish: Any, stranger: User) -> None:
    publish(lyceum, "free", gate=lyceum.gate)
    secret = tokens.issue(by=stranger, kind=Kind.DOWNLOAD, label="t")[1]
    client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    for name in ("purpose", "a\0b", LONE):
        for odd in ODD:
            assert send(client, "/lyceum/free/ask-access", "post", json.dumps({name: odd})) < 500, (name, odd)
        for form in ({name: "a\0b"}, {name: ["a\0b", "c"]}):
            if name != LONE:
                assert client.post("/lyceum/free/ask-access", form).status_code < 500, form
