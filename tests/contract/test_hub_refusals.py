"""What the Hub refuses, and how: absences, bad tokens, hostile targets. One portal for all, since nothing is changed."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import leftovers
from tests.contract import hub as hubs
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import FILE, ask, bearer

pytestmark = pytest.mark.xdist_group("hub-refusals")


@pytest.fixture(scope="module")
def hub(
    portal_url: str, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Data for the whole module, committed, and emptied at its end."""
    with django_db_blocker.unblock():
        yield hubs.build(portal_url, tmp_path_factory.mktemp("published"))
        leftovers.empty()


@pytest.mark.parametrize(
    ("target", "anonymous", "signed_in", "code"),
    [
        ("/api/models/lyceum/nothing", 401, 404, "RepoNotFound"),
        ("/api/models/gpt2", 401, 404, "RepoNotFound"),
        ("/gpt2/resolve/main/config.json", 401, 404, "RepoNotFound"),
        ("/lyceum/nothing/resolve/main/config.json", 401, 404, "RepoNotFound"),
        ("/api/datasets/a/b", 401, 404, "RepoNotFound"),
        ("/api/datasets/a/b/tree/main", 401, 404, "RepoNotFound"),
        ("/datasets/a/b/resolve/main/x.csv", 401, 404, "RepoNotFound"),
        ("/api/spaces/a/b", 401, 404, "RepoNotFound"),
        ("/spaces/a/b/resolve/main/app.py", 401, 404, "RepoNotFound"),
        ("/api/models/lyceum/open/revision/nowhere", 404, 404, "RevisionNotFound"),
        ("/api/models/lyceum/open/tree/nowhere", 404, 404, "RevisionNotFound"),
        ("/api/models/lyceum/open/tree/main/nothing", 404, 404, "EntryNotFound"),
        ("/lyceum/open/resolve/main/nothing", 404, 404, "EntryNotFound"),
        ("/lyceum/open/resolve/nowhere/config.json", 404, 404, "RevisionNotFound"),
        ("/api/models/lyceum/open/discussions?p=0", 404, 404, "EntryNotFound"),
        ("/api/models/lyceum/open/xet-write-token/main", 404, 404, "EntryNotFound"),
        ("/api/models/lyceum/open/nonsense", 404, 404, "EntryNotFound"),
        ("/api/nonsense", 404, 404, "EntryNotFound"),
        ("/api/repos/anything", 501, 501, "NotImplemented"),
        ("/oauth/anything", 501, 501, "NotImplemented"),
    ],
)
def test_absences_have_their_codes(hub: Hub, target: str, anonymous: int, signed_in: int, code: str) -> None:
    for headers, status in (({}, anonymous), (bearer(hub.token(hub.stranger)), signed_in)):
        got, said, body = ask(hub.url, target, **headers)
        assert (got, said["x-error-code"]) == (status, code), target
        assert said["content-type"] == "application/json"
        assert json.loads(body)["error"] == said["x-error-message"]


def test_a_missing_file_names_the_commit(hub: Hub) -> None:
    assert ask(hub.url, "/lyceum/open/resolve/main/nothing", "HEAD")[1]["x-repo-commit"] == hub.open.main.commit


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wb_dl_x",
        "Bearer",
        "Basic YTpi",
        "Bearer \xff\xfe\x00",
        "Bearer " + "x" * 8000,
        "Bearer wb_dl_" + "0" * 38,
        "",
    ],
)
def test_a_bad_token_is_told_in_words_the_client_keeps(hub: Hub, header: str) -> None:
    status, said, _ = ask(hub.url, FILE, "HEAD", Authorization=header.replace("\x00", ""))
    assert status == 401
    assert said["x-error-message"] == "Invalid credentials in Authorization header"
    assert "x-error-code" not in said


@pytest.mark.parametrize(
    "target", ["/lyceum/open/resolve/main/config.json", "/api/models/lyceum/open", "/api/whoami-v2"]
)
def test_other_methods_are_told_so(hub: Hub, target: str) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        status, said, _ = ask(hub.url, target, method)
        assert status == 405
        assert "GET" in said["allow"]


@pytest.mark.parametrize(
    "target",
    [
        "/lyceum/open/resolve/main/../../../etc/passwd", "/lyceum/open/resolve/main/..%2f..%2fetc%2fpasswd", "/lyceum/open/resolve/main/%00",
        "/lyceum/open/resolve/%00/config.json", "/%00/%00", "/lyceum/open/resolve/main/%ff%fe", "/lyceum/open/resolve/main/" + "a" * 5000,
        "/api/models/lyceum/open/tree/main/%2e%2e", "/api/models/%2e%2e/%2e%2e", "/lyceum/open/tree/%0d%0aX-Evil:%201", "/lyceum/%F0%9F%92%A9",
        "/api/models?limit=-1&cursor=x&search=%00", "/api/models?limit=99999999999999999999", "/?page=x&q=%ff", "/lyceum/open/resolve/main/config.json?a=%00",
        "/lyceum/open/commits/main?cursor=1e9", "//lyceum//open", "/lyceum/open/resolve//config.json", "/blobs/../../x", "/api/models/lyceum/open/tree/main?cursor=%00",
    ],
)  # fmt: skip
def test_hostile_targets_are_answered_calmly(hub: Hub, target: str) -> None:
    status, said, body = ask(hub.url, target)
    assert status < 500, (status, body[:300])
    assert b"root:" not in body
    assert "x-evil" not in said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(st.characters(blacklist_categories=["Cs"]), max_size=30),
    shape=st.sampled_from(
        [
            "/{}",
            "/lyceum/{}",
            "/lyceum/open/resolve/main/{}",
            "/lyceum/open/resolve/{}/x",
            "/api/models/{}",
            "/api/models/lyceum/open/tree/main/{}",
            "/api/models?search={}&cursor={}",
            "/families/{}/",
            "/?q={}",
        ]
    ),
)
def test_fuzzed_targets_never_break_it(hub: Hub, path: str, shape: str) -> None:
    assert ask(hub.url, shape.replace("{}", quote(path, safe="")))[0] < 500


@pytest.mark.parametrize(
    "line",
    [
        b"GET /?q=\xff\xfe HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /lyceum/open/resolve/main/\xc3\xbc HTTP/1.1",
        b"GET /api/models?search=\xc3\xbc HTTP/1.1",
    ],
)
def test_raw_bytes_in_the_request_line(hub: Hub, line: bytes) -> None:
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as raw:
        raw.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        first = raw.recv(65536).split(b"\r\n")[0]
    assert not first.startswith(b"HTTP/1.1 5"), first
    assert first.startswith(b"HTTP/1.1 "), first
