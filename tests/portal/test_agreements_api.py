"""Agreements by token: the same verbs as the pages, with the state that was read in every write."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.tokens.scopes import Kind, Scope
from tests.portal import world
from tests.portal.test_access_api import client

URL = "/api/v1/agreements/lyceum/research"
NEXT = world.TEXT + "\n3. Delete every copy.\n"


@pytest.fixture
def manager(lyceum):
    return client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})


def send(caller, verb, path, **body):
    return getattr(caller, verb)(f"{URL}/{path}", body, content_type="application/json")


def draft(caller, **changes):
    edits = caller.get(URL).json()["edits"]
    body = {"text": NEXT, "points": ["Delete it."], "change_class": "blocking", "edits": edits, **changes}
    return send(caller, "put", "draft", **body)


def test_a_program_drafts_compares_publishes_and_sees_who_is_outstanding(lyceum, manager, mara):
    lyceum.granted(mara)
    assert [row["slug"] for row in manager.get("/api/v1/agreements").json()["results"]] == ["research"]
    grace = (timezone.now() + timedelta(days=30)).isoformat()
    saved = draft(manager, change_class="notice", grace_ends_at=grace).json()
    assert saved["draft"]["text"] == NEXT
    compared = manager.get(f"{URL}/redline", {"from": 1, "to": 2}).json()["paragraphs"]
    assert [{"kind": "ins", "text": "3. Delete every copy."}] in compared
    published = send(manager, "post", "publish", edits=saved["edits"]).json()
    assert ([version["number"] for version in published["versions"]], published["draft"]) == ([2, 1], None)
    assert published["outstanding"]["grace"] == 1
    (row,) = manager.get(f"{URL}/outstanding").json()["results"]
    assert (row["holder"]["name"], row["state"], row["signed_version"]) == ("Mara Lindqvist", "grace", 1)
    assert manager.get(f"{URL}/outstanding", {"show": "paused"}).json()["count"] == 0


def test_a_write_past_the_state_that_was_read_is_a_conflict(manager):
    saved = draft(manager).json()
    assert draft(manager, edits=saved["edits"] - 1).status_code == 409
    assert send(manager, "post", "publish", edits=saved["edits"] - 1).json()["code"] == "stale"
    assert manager.delete(f"{URL}/draft?edits={saved['edits']}").json()["draft"] is None
    assert send(manager, "post", "publish", edits=saved["edits"] + 1).json()["code"] == "no_draft"


@pytest.mark.parametrize(
    "changes",
    [{"text": ""}, {"text": 5 * [1]}, {"points": "x"}, {"change_class": "sudden"}, {"edits": -1}, {"edits": 10**30},
     {"change_class": "notice"}, {"grace_ends_at": "soon"}, {"text": "a\x00"}],
)  # fmt: skip
def test_a_wrong_draft_is_answered_by_field(manager, changes):
    refused = draft(manager, **changes)
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert refused.json()["fields"]


def test_other_labs_other_scopes_and_reviewers_do_not_write(lyceum, harbour, manager):
    other = client(harbour.manager, Kind.SERVICE, {Scope.MANAGE})
    assert [row["lab"] for row in other.get("/api/v1/agreements").json()["results"]] == ["harbour"]
    for path in ("", "/outstanding", "/redline?from=1&to=1"):
        assert other.get(URL + path).status_code == 404
    assert other.delete(f"{URL}/draft?edits=2").status_code == 404
    for verb, path in (("put", "draft"), ("post", "publish")):
        body = {"edits": 2, **({"text": NEXT, "change_class": "blocking"} if verb == "put" else {})}
        assert send(other, verb, path, **body).status_code == 404
    reviewer = Client()
    reviewer.force_login(lyceum.reviewers[0])
    assert reviewer.get(URL).status_code == 200
    assert draft(reviewer).status_code == 403
    assert client(lyceum.manager, Kind.DOWNLOAD).get(URL).json()["code"] == "insufficient_scope"
    assert manager.get(URL).json()["draft"] is None


@pytest.mark.parametrize("query", [{}, {"from": 1}, {"from": "x", "to": 1}, {"from": 1, "to": 10**12}])
def test_versions_that_are_not_numbers_are_named(manager, query):
    refused = manager.get(f"{URL}/redline", query)
    assert (refused.status_code, "to" in refused.json()["fields"] or "from" in refused.json()["fields"]) == (400, True)


def test_versions_that_are_not_there_are_not_compared(manager):
    assert manager.get(f"{URL}/redline", {"from": 1, "to": 9}).status_code == 404


def test_an_unknown_state_names_the_known_ones(manager):
    assert "paused" in manager.get(f"{URL}/outstanding", {"show": "late"}).json()["fields"]["show"][0]
