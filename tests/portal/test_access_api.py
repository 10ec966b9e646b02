"""The REST API: the same verbs as the pages, for tokens with the right scope."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.access.models import Grant
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope


def client(user: User, kind: Kind, scopes: set[Scope] | None = None) -> Client:
    _, secret = tokens.issue(by=user, kind=kind, label=f"api {kind}", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(caller: Client, url: str, /, **body: Any) -> Any:
    return caller.post(url, body, content_type="application/json")


def test_two_reviewers_approve_by_token(lyceum, mara):
    application = lyceum.applied(mara)
    first, second = (client(reviewer, Kind.REVIEW) for reviewer in lyceum.reviewers[:2])
    listed = first.get("/api/v1/applications", {"show": "submitted"}).json()
    assert [row["reference"] for row in listed["results"]] == [application.reference]
    assert first.get(f"/api/v1/applications/{application.pk}").json()["answers"]["title"] == "How small models forget"
    assert post(first, f"/api/v1/applications/{application.pk}/approve").json()["status"] == "in_review"
    assert post(second, f"/api/v1/applications/{application.pk}/approve").json()["status"] == "approved"


def test_a_token_of_another_scope_is_refused_with_a_code(lyceum, mara):
    lyceum.applied(mara)
    response = client(lyceum.reviewers[0], Kind.DOWNLOAD).get("/api/v1/applications")
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "insufficient_scope"


def test_without_credentials_and_with_a_bad_token_the_answer_is_401(lyceum):
    for headers in ({}, {"Authorization": "Bearer wb_rev_nonsense"}, {"Authorization": "Basic eA=="}):
        response = Client(headers=headers).get("/api/v1/applications")
        assert response.status_code == 401
        assert "Bearer" in response["WWW-Authenticate"]


def test_another_labs_reviewer_finds_nothing(lyceum, harbour, mara):
    application = lyceum.applied(mara)
    other = client(harbour.reviewers[0], Kind.REVIEW)
    assert other.get("/api/v1/applications").json()["count"] == 0
    assert other.get(f"/api/v1/applications/{application.pk}").status_code == 404
    assert post(other, f"/api/v1/applications/{application.pk}/approve").status_code == 404


def test_a_decline_names_its_reason(lyceum, mara):
    application = lyceum.applied(mara)
    reviewer, url = client(lyceum.reviewers[0], Kind.REVIEW), f"/api/v1/applications/{application.pk}/decline"
    refused = post(reviewer, url, message="No.")
    assert refused.status_code == 400
    assert "reason" in refused.json()["fields"]
    assert post(reviewer, url, reason="purpose", message="A product.").json()["status"] == "declined"
    assert post(reviewer, url, reason="purpose", message="Again.").status_code == 409


def test_a_manager_revokes_by_token_and_a_reviewer_does_not(lyceum, mara):
    grant = lyceum.granted(mara)
    url = f"/api/v1/grants/{grant.pk}/revoke"
    reviewer = client(lyceum.reviewers[0], Kind.REVIEW)
    assert post(reviewer, url, reason="x").status_code == 403
    manager = client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})
    assert manager.get("/api/v1/grants").json()["count"] == 1
    assert post(manager, url).status_code == 400
    assert post(manager, url, reason="Passed on.").json()["state"] == "revoked"
    assert not Grant.objects.active().exists()


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"version": "x"}', '{"version": 99999999999999999999}', "null", "\x00"]
)
def test_malformed_bodies_are_the_clients_fault(lyceum, mara, body):
    application = lyceum.applied(mara)
    reviewer = client(lyceum.reviewers[0], Kind.REVIEW)
    url = f"/api/v1/applications/{application.pk}/decline"
    response = reviewer.post(url, body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_an_unknown_verb_method_and_status(lyceum, mara):
    application = lyceum.applied(mara)
    reviewer = client(lyceum.reviewers[0], Kind.REVIEW)
    assert post(reviewer, f"/api/v1/applications/{application.pk}/bless").status_code == 404
    assert reviewer.delete(f"/api/v1/applications/{application.pk}").status_code == 405
    assert reviewer.get("/api/v1/applications", {"show": "blessed"}).status_code == 400
    assert reviewer.get("/api/v1/applications", {"page": "x"}).status_code == 400
    assert reviewer.get("/api/v1/applications", {"page": 9}).status_code == 404
