"""Beside the queue by token: assignment, notes, filters, substitutes, reasons, rules; and what applicants do by session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access import actions
from portal.access.application_models import Decline
from portal.access.models import Grant
from portal.tokens.scopes import Kind, Scope
from tests.portal import world
from tests.portal.test_access_api import client, post

RULES = "amber student when answer role is student, phd: A student\n"


@pytest.fixture
def reviewer(lyceum):
    return client(lyceum.reviewers[0], Kind.REVIEW)


@pytest.fixture
def manager(lyceum):
    return client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})


@pytest.fixture
def foreign(harbour):
    """A program that may do everything in the second lab."""
    return client(harbour.reviewers[0], Kind.REVIEW)


def test_a_reviewer_takes_an_application_and_gives_it_to_a_colleague(lyceum, mara, reviewer, foreign):
    url = f"/api/v1/applications/{lyceum.applied(mara).pk}/assign"
    colleague = lyceum.reviewers[1]
    assert post(reviewer, url, to=str(colleague.pk)).json()["assignee"]["name"] == colleague.name
    assert reviewer.get("/api/v1/applications", {"assignee": str(colleague.pk)}).json()["count"] == 1
    assert reviewer.get("/api/v1/applications", {"assignee": "me"}).json()["count"] == 0
    assert post(reviewer, url, to=None).json()["assignee"] is None
    assert post(reviewer, url, to=str(mara.pk)).json()["fields"]["to"]
    assert post(foreign, url, to=None).status_code == 404


def test_several_are_assigned_and_handed_back_at_once(lyceum, harbour, mara, stranger, reviewer):
    mine, other = lyceum.applied(mara), harbour.applied(stranger)
    picked = [str(mine.pk), str(other.pk)]
    done = post(reviewer, "/api/v1/applications/assign", applications=picked, to=str(lyceum.reviewers[1].pk)).json()
    assert done["outcomes"] == [{"application": str(mine.pk), "done": True, "problem": ""}], (
        "the other lab's is not there"
    )
    back = post(reviewer, "/api/v1/applications/request-changes", applications=picked, message="Who has the keys?")
    assert [each["done"] for each in back.json()["outcomes"]] == [True]
    again = post(reviewer, "/api/v1/applications/request-changes", applications=picked, message="Who?").json()
    assert again["outcomes"][0]["problem"]


def test_reviewers_talk_and_the_applicant_hears_nothing(lyceum, mara, reviewer, foreign):
    url = f"/api/v1/applications/{lyceum.applied(mara).pk}/notes"
    assert post(reviewer, url, text="I know the cluster.").status_code == 201
    (row,) = reviewer.get(url).json()["results"]
    assert (row["text"], row["by"]["name"]) == ("I know the cluster.", lyceum.reviewers[0].name)
    applicant = Client()
    applicant.force_login(mara)
    for other in (applicant, foreign):
        assert other.get(url).status_code == 404
        assert post(other, url, text="x").status_code == 404


def test_a_filter_is_kept_listed_and_removed(reviewer, foreign):
    kept = post(reviewer, "/api/v1/filters", name="Red and mine", lane="red", assignee="me").json()
    assert kept["query"] == "show=all&lane=red&assignee=me"
    assert [row["name"] for row in reviewer.get("/api/v1/filters").json()["results"]] == ["Red and mine"]
    assert foreign.get("/api/v1/filters").json()["count"] == 0
    assert foreign.delete(f"/api/v1/filters/{kept['id']}").status_code == 404
    assert reviewer.delete(f"/api/v1/filters/{kept['id']}").status_code == 204
    assert reviewer.delete(f"/api/v1/filters/{kept['id']}").status_code == 404
    assert reviewer.delete(f"/api/v1/filters/{10**30}").status_code == 404


def test_a_reviewer_names_a_substitute_and_takes_it_back(lyceum, reviewer, foreign):
    day = timezone.now().date()
    asked = {
        "lab": "lyceum",
        "substitute": str(lyceum.reviewers[1].pk),
        "starts_on": day,
        "ends_on": day + timedelta(9),
    }
    made = post(reviewer, "/api/v1/substitutes", **asked).json()
    assert made["substitute"]["name"] == lyceum.reviewers[1].name
    assert post(reviewer, "/api/v1/substitutes", **asked).status_code == 409
    assert post(foreign, "/api/v1/substitutes", **asked).status_code == 404
    assert post(foreign, f"/api/v1/substitutes/{made['id']}/end").status_code == 404
    assert post(reviewer, f"/api/v1/substitutes/{made['id']}/end").json()["ended_at"]
    assert post(reviewer, f"/api/v1/substitutes/{10**30}/end").status_code == 404


def test_a_manager_words_a_reason_and_a_reviewer_only_reads(lyceum, manager, reviewer, foreign):
    url = "/api/v1/labs/lyceum/reasons"
    put = {"data": {"text": "Tell us more."}, "content_type": "application/json"}
    assert manager.put(f"{url}/declined_detail", **put).json()["own"] == "Tell us more."
    words = {row["reason"]: row["own"] for row in reviewer.get(url).json()["results"]}
    assert words["declined_detail"] == "Tell us more."
    assert reviewer.put(f"{url}/declined_detail", **put).status_code == 403
    assert manager.put(f"{url}/declined_never", **put).status_code == 404
    assert foreign.get(url).status_code == 404


def test_rules_are_tried_published_and_kept_by_version(lyceum, mara, manager, reviewer, foreign):
    lyceum.applied(mara)
    url = "/api/v1/labs/lyceum/rules"
    run = post(reviewer, f"{url}/dry-run", text="red all when answer role is postdoc: Everybody\n").json()
    assert (run["looked_at"], [move["after"] for move in run["moves"]]) == (1, ["red"])
    assert run["moves"][0]["because"][0]["id"] == "all"
    assert post(reviewer, url, text=RULES).status_code == 403
    made = post(manager, url, text=RULES, reason="Students need a supervisor.").json()
    assert (made["version"], made["gate"], made["made_by"]["name"]) == (2, None, lyceum.manager.name)
    assert [row["version"] for row in reviewer.get(url).json()["results"]] == [2, 1]
    assert reviewer.get(f"{url}/2").json()["text"] == RULES
    assert reviewer.get(f"{url}/1").json()["made_by"] is None
    assert reviewer.get(f"{url}/7").status_code == 404
    assert post(manager, url, text="nonsense").json()["fields"]["text"]
    assert post(manager, f"{url}/dry-run", text=RULES, gate="harbour-large").json()["fields"]["gate"]
    assert foreign.get(url).status_code == 404


def test_an_applicant_drafts_sends_withdraws_and_begins_again_in_person(lyceum, mara, stranger):
    applicant = Client()
    applicant.force_login(mara)
    assert [row["slug"] for row in Client().get("/api/v1/gates").json()["results"]] == ["lyceum-large"]
    assert Client().get("/api/v1/gates/lyceum-large").json()["form"]
    draft_url, asked = "/api/v1/gates/lyceum-large/draft", {"content_type": "application/json"}
    made = applicant.put(draft_url, {"answers": {"title": "Forgetting"}}, **asked).json()
    url = f"/api/v1/applications/{made['id']}"
    assert "summary" in post(applicant, f"{url}/submit").json()["fields"]
    applicant.put(draft_url, {"answers": world.ANSWERS}, **asked)
    assert post(applicant, f"{url}/submit").json()["status"] == "submitted"
    assert applicant.get(url).json()["answers"]["title"] == "How small models forget"
    other = Client()
    other.force_login(stranger)
    assert other.get(url).status_code == 404
    assert post(other, f"{url}/withdraw").status_code == 404
    assert post(applicant, f"{url}/withdraw").json()["status"] == "withdrawn"
    assert post(applicant, f"{url}/again").json()["status"] == "draft"
    assert applicant.get("/api/v1/me/applications").json()["count"] == 2
    token = client(mara, Kind.DOWNLOAD)
    assert token.get("/api/v1/me/applications").json()["code"] == "insufficient_scope"


def test_an_applicant_appeals_and_signs_in_person(lyceum, mara):
    applicant = Client()
    applicant.force_login(mara)
    application = lyceum.applied(mara)
    actions.decline(by=lyceum.reviewers[0], application=application, reason=Decline.DETAIL, message="Too thin.")
    url = f"/api/v1/applications/{application.pk}"
    assert post(applicant, f"{url}/appeal", text="It is all there.").json()["status"] == "appealed"
    for each in lyceum.reviewers[1:]:
        assert post(client(each, Kind.REVIEW), f"{url}/approve").status_code == 200
    signed = {"typed_name": mara.name, "capacity": "for myself", "text_sha256": lyceum.version.sha256}
    assert post(applicant, f"{url}/sign", **signed | {"text_sha256": "0" * 64}).status_code == 409
    assert post(applicant, f"{url}/sign", **signed).json()["state"] == "active"
    assert Grant.objects.active().filter(user=mara).count() == 1
    assert applicant.get("/api/v1/me/grants").json()["count"] == 1
    assert applicant.get("/api/v1/me/receipts").json()["results"][0]["text_sha256"] == lyceum.version.sha256


def test_the_queue_costs_the_same_for_few_and_for_many(lyceum, reviewer):
    counted = []
    for n in (2, 20):
        for _ in range(n):
            lyceum.applied(world.person("Somebody"))
        with CaptureQueriesContext(connection) as seen:
            assert reviewer.get("/api/v1/applications", {"show": "waiting", "late": "yes"}).status_code == 200
            assert reviewer.get("/api/v1/applications").json()["results"]
        counted.append(len(seen))
    assert counted[0] == counted[1]


@pytest.mark.parametrize("path", ["", "nothing", "applications/x", "grants/1/revoke", "applications/", "labs/Ü/rules"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_an_unknown_address_is_a_problem_and_never_a_page(db, path, method):
    answer = getattr(Client(), method)(f"/api/v1/{path}", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("method", ["put", "patch", "trace", "options"])
def test_an_unknown_method_is_a_problem_that_names_the_known(reviewer, method):
    answer = getattr(reviewer, method)("/api/v1/applications", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert (answer.json()["status"], "GET" in answer["Allow"]) == (405, True)


def test_a_body_past_all_measure_is_refused_unread(reviewer):
    answer = post(reviewer, "/api/v1/filters", name="x" * (1 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    nested = reviewer.post("/api/v1/filters", "[" * 100_000 + "]" * 100_000, content_type="application/json")
    assert nested.status_code == 400
