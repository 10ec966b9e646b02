"""Gates by program: a manager sets them and publishes forms, a reviewer reads, another lab finds nothing."""

from __future__ import annotations

import pytest

from portal.access.gate_models import Gate
from portal.audit.models import Entry
from portal.tokens.scopes import Kind, Scope
from tests.portal.test_access_api import client, post

GATES = "/api/v1/labs/lyceum/gates"
ONE = f"{GATES}/lyceum-large"
JSON = {"content_type": "application/json"}


@pytest.fixture
def manager(lyceum):
    return client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})


@pytest.fixture
def reviewer(lyceum):
    return client(lyceum.reviewers[0], Kind.REVIEW)


def test_settings_change_under_the_lock_of_what_was_read(manager):
    read = manager.get(ONE).json()
    changed = manager.patch(ONE, {"quorum": 3, "title": "Lyceum, large", "edits": read["edits"]}, **JSON).json()
    assert (changed["quorum"], changed["title"], changed["edits"]) == (3, "Lyceum, large", read["edits"] + 1)
    assert changed["grant_days"] == read["grant_days"], "what is left out stays"
    late = manager.patch(ONE, {"quorum": 1, "edits": read["edits"]}, **JSON)
    assert (late.status_code, late.json()["code"]) == (409, "stale")
    assert Gate.objects.get(slug="lyceum-large").quorum == 3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("quorum", 9),
        ("quorum", "x"),
        ("capabilities", []),
        ("capabilities", ["fly"]),
        ("duo", ["DUO:x"]),
        ("title", ""),
    ],
)
def test_a_setting_out_of_bounds_is_named(manager, setting, value):
    wrong = manager.patch(ONE, {setting: value, "edits": 0}, **JSON)
    assert wrong.status_code == 400
    assert [name.split(".")[0] for name in wrong.json()["fields"]] == [setting]


def test_without_the_state_that_was_read_nothing_is_changed(manager):
    assert manager.patch(ONE, {"quorum": 1}, **JSON).json()["fields"]["edits"]


def test_a_form_is_published_as_yaml_and_every_version_kept(manager, reviewer):
    read = manager.get(f"{ONE}/form").json()
    text = read["text"].replace("How it is spelled", "As it is spelled") + (
        '\n- name: more\n  title: "More"\n  fields:\n    - name: why\n      type: text\n      label: "Why"\n'
    )
    made = manager.put(f"{ONE}/form", {"text": text, "edits": read["edits"]}, **JSON).json()
    assert made["version"] == read["version"] + 1
    assert made["text"].count("name: why") == 1
    again = manager.put(f"{ONE}/form", {"text": made["text"], "edits": made["edits"]}, **JSON).json()
    assert again["version"] == made["version"], "what asks the same is no new version"
    rows = reviewer.get(f"{ONE}/form/versions").json()["results"]
    assert [row["version"] for row in rows] == [made["version"], read["version"]]
    assert reviewer.get(f"{ONE}/form/versions/{read['version']}").json()["text"] == read["text"]
    assert reviewer.get(f"{ONE}/form/versions/99").status_code == 404


def test_a_fault_of_a_form_is_named_with_its_line(manager):
    read = manager.get(f"{ONE}/form").json()
    wrong = manager.put(
        f"{ONE}/form",
        {
            "text": "- name: a\n  title: A\n  fields:\n    - name: b\n      label: B\n      type: odd\n",
            "edits": read["edits"],
        },
        **JSON,
    )
    assert wrong.status_code == 400
    assert any(text.startswith("Line 6: ") for text in wrong.json()["fields"]["text"])
    late = manager.put(f"{ONE}/form", {"text": read["text"], "edits": read["edits"] + 1}, **JSON)
    assert late.json()["code"] == "stale"


def test_a_gate_is_closed_with_a_reason_and_opened(manager):
    assert post(manager, f"{ONE}/close").json()["fields"]["closed_reason"]
    assert post(manager, f"{ONE}/close", closed_reason="We move.").json()["closed_reason"] == "We move."
    assert manager.get("/api/v1/gates/lyceum-large").json()["closed_reason"] == "We move."
    assert post(manager, f"{ONE}/open").json()["closed_at"] is None
    assert post(manager, f"{ONE}/open").json()["code"] == "already_open"


def test_a_gate_is_made_like_another_of_the_lab(harbour, manager):
    made = {"slug": "lyceum-small", "title": "Small", "agreement": "research", "like": "lyceum-large"}
    assert post(manager, GATES, **made | {"like": "harbour-large"}).json()["fields"].keys() == {"like"}
    assert post(manager, GATES, **made | {"agreement": "other"}).json()["fields"].keys() == {"agreement"}
    assert post(manager, GATES, **made).status_code == 201
    assert post(manager, GATES, **made).json()["fields"]["slug"], "its name is taken"
    assert [row["slug"] for row in manager.get(GATES).json()["results"]] == ["lyceum-large", "lyceum-small"]


def test_an_agreement_is_made_for_it(harbour, manager, reviewer):
    made = {"lab": "lyceum", "slug": "evaluation", "title": "Evaluation"}
    assert post(reviewer, "/api/v1/agreements", **made).json()["code"] == "insufficient_scope"
    assert post(manager, "/api/v1/agreements", **made | {"lab": "harbour"}).status_code == 404
    assert post(manager, "/api/v1/agreements", **made).json()["slug"] == "evaluation"
    assert post(manager, "/api/v1/agreements", **made).json()["fields"]["slug"]


def test_a_reviewer_reads_and_does_not_write(lyceum, reviewer):
    assert reviewer.get(ONE).json()["edits"] == 0
    assert reviewer.patch(ONE, {"quorum": 1, "edits": 0}, **JSON).json()["code"] == "insufficient_scope"
    assert post(reviewer, f"{ONE}/close", closed_reason="x").json()["code"] == "insufficient_scope"
    assert not Entry.objects.filter(event="gate.changed").exists()


def test_to_another_lab_and_a_stranger_no_gate_of_the_lab_is_there(lyceum, harbour, stranger):
    foreign = client(harbour.manager, Kind.SERVICE, {Scope.MANAGE})
    for path in (GATES, ONE, f"{ONE}/form", f"{ONE}/form/versions", f"{ONE}/form/versions/1"):
        assert foreign.get(path).status_code == 404
        assert client(stranger, Kind.DOWNLOAD).get(path).json()["code"] == "insufficient_scope"
        stranger.tokens.all().delete()
    assert foreign.patch(ONE, {"quorum": 1, "edits": 0}, **JSON).status_code == 404
    assert foreign.put(f"{ONE}/form", {"text": "[]", "edits": 0}, **JSON).status_code == 404
    assert post(foreign, f"{ONE}/close", closed_reason="x").status_code == 404
    assert foreign.get("/api/v1/labs/harbour/gates/lyceum-large").status_code == 404
