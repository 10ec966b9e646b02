"""The Hub's access requests with the unmodified clients, and what everybody else is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client as DjangoClient
from django.test.utils import CaptureQueriesContext

from portal.access.application_models import Application
from portal.access.models import Grant
from portal.access.workflow import Status
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer
from tests.portal import world

ASKED = """
import json, sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
api, said = HfApi(), []
for verb, *arguments in json.loads(sys.argv[1]):
    more = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    try:
        answer = getattr(api, verb)("lyceum/gated", *arguments, **more)
        rows = verb.startswith("list_")
        said.append([[r.username, r.fullname, r.status] for r in answer] if rows else "ok")
    except HfHubHTTPError as error:
        said.append([type(error).__name__, error.response.status_code, error.server_message])
print(json.dumps(said))
"""
BASE = "/api/models/lyceum/gated/user-access-request"


def of(client: Client, *calls: list[Any]) -> list[Any]:
    """What HfApi answers to each call, in one process."""
    done = client.script(ASKED, json.dumps(calls))
    assert done.returncode == 0, done.stderr
    return [*json.loads(done.stdout.splitlines()[-1]), done.stderr]


@pytest.fixture(params=["0.36", "1.31", "2.x"])
def client(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Client:
    python = {"0.36": clients.oldest, "1.31": clients.installed, "2.x": clients.newest}[request.param]
    return Client(python(), tmp_path / "home", hub.url)


def post(hub: Hub, secret: str, door: str, body: Any, path: str = BASE) -> tuple[int, dict[str, str], Any]:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, said, got = ask(
        hub.url, f"{path}/{door}", "POST", sent, Content_Type="application/json", **(bearer(secret) if secret else {})
    )
    return status, said, json.loads(got) if got else None


def managing(user: User) -> str:
    """A token with the scope manage."""
    return tokens.issue(by=user, kind=Kind.SERVICE, label="manages", scopes=[Scope.MANAGE])[1]


def test_two_reviewers_accept_and_the_applicant_signs(hub: Hub, client: Client) -> None:
    hub.world.applied(hub.stranger)
    email, one, two = hub.stranger.email, *hub.world.reviewers[:2]
    first = of(
        client.holding(hub.token(one, Kind.REVIEW)),
        ["list_pending_access_requests"], ["accept_access_request", email], ["list_pending_access_requests"],
        ["accept_access_request", email],
    )  # fmt: skip
    assert first[0] == first[2] == [[email, "Ida Fremd", "pending"]], "one vote of two approves nothing"
    assert first[1] == "ok"
    if client.python != clients.oldest():  # it knows no warnings
        assert "1 of 2" in first[4], "the client prints where it stands"
    assert first[3][1] == 409
    second = of(
        client.holding(hub.token(two, Kind.REVIEW)),
        ["accept_access_request", email], ["list_pending_access_requests"], ["list_accepted_access_requests"],
        ["accept_access_request", email],
    )  # fmt: skip
    assert second[:2] == ["ok", []]
    assert [email, "Ida Fremd", "accepted"] in second[2]
    assert second[3][1] == 404, "accepted already"
    application = Application.objects.get(applicant=hub.stranger)
    assert application.status == Status.APPROVED
    applicant = client.holding(hub.token(hub.stranger))
    assert of(applicant, ["auth_check"])[0][:2] == ["GatedRepoError", 403], "approved is not signed"
    hub.world.signed(hub.stranger, application)
    assert of(applicant, ["auth_check"])[0] == "ok"


def test_a_rejection_carries_its_reason(hub: Hub, client: Client) -> None:
    hub.world.applied(hub.stranger)
    email = hub.stranger.email
    reviewer = client.holding(hub.token(hub.world.reviewers[0], Kind.REVIEW))
    said = of(
        reviewer,
        ["reject_access_request", email, {"rejection_reason": None}],
        ["reject_access_request", email, {"rejection_reason": "Too thin to judge."}],
        ["list_rejected_access_requests"], ["accept_access_request", email], ["cancel_access_request", email],
        ["grant_access", email],
    )  # fmt: skip
    assert said[0][1] == 400, "we owe the applicant a reason"
    assert said[1:3] == ["ok", [[email, "Ida Fremd", "rejected"]]]
    assert [answer[1] for answer in said[3:6]] == [409, 409, 409], "what is decided stays decided"
    assert Application.objects.get(applicant=hub.stranger).message == "Too thin to judge."


def test_a_manager_cancels_gives_back_and_ends_access(hub: Hub, client: Client) -> None:
    email = hub.researcher.email
    manager = client.holding(managing(hub.world.manager))
    holder = client.holding(hub.token(hub.researcher))
    assert of(manager, ["cancel_access_request", email], ["list_pending_access_requests"])[:2] == [
        "ok",
        [[email, "Mara Lindqvist", "pending"]],
    ]
    assert of(holder, ["auth_check"])[0][:2] == ["GatedRepoError", 403]
    assert of(manager, ["accept_access_request", email], ["grant_access", email])[0] == "ok"
    assert of(holder, ["auth_check"])[0] == "ok"
    assert of(manager, ["grant_access", email])[0][1] == 400, "has access already"
    assert of(manager, ["reject_access_request", email, {"rejection_reason": "Passed the weights on."}])[0] == "ok"
    assert of(holder, ["auth_check"])[0][:2] == ["GatedRepoError", 403]
    assert Grant.objects.get(user=hub.researcher).revoked_reason == "Passed the weights on."


def test_nobody_else_sees_or_decides_anything(hub: Hub) -> None:
    harbour = world.build("harbour")
    hub.world.applied(hub.stranger)
    reviewer = hub.world.reviewers[0]
    refused = {
        "nobody": ("", 401),
        "the applicant": (hub.token(hub.stranger), 403),
        "a grant holder": (hub.token(hub.researcher), 403),
        "another lab's manager": (managing(harbour.manager), 403),
        "another lab's reviewer": (hub.token(harbour.reviewers[0], Kind.REVIEW), 403),
        "a reviewer's token without the scope": (hub.token(reviewer), 403),
        "a manager's token without the scope": (hub.token(hub.world.manager), 403),
    }
    for who, (secret, status) in refused.items():
        for user in (
            hub.stranger.email,
            "nobody@nowhere.example",
        ):  # the same answer, whether there is a request or not
            for door in ("handle", "grant"):
                got, said, _ = post(hub, secret, door, {"user": user, "status": "accepted"})
                assert (got, said.get("x-error-code")) == (status, None), (who, door)
        for stage in ("pending", "accepted", "rejected"):
            got, _, body = ask(hub.url, f"{BASE}/{stage}", **(bearer(secret) if secret else {}))
            assert got == status, who
            assert hub.stranger.email.encode() not in body
    assert Application.objects.get(applicant=hub.stranger).status == Status.SUBMITTED


def test_a_manager_has_no_vote_and_a_reviewer_ends_no_grant(hub: Hub) -> None:
    hub.world.applied(hub.stranger)
    manager, reviewer = managing(hub.world.manager), hub.token(hub.world.reviewers[0], Kind.REVIEW)
    assert post(hub, manager, "handle", {"user": hub.stranger.email, "status": "accepted"})[0] == 403
    for status in ("rejected", "pending", "reset"):
        asked = {"user": hub.researcher.email, "status": status, "rejectionReason": "x"}
        assert post(hub, reviewer, "handle", asked)[0] == 403
    assert Grant.objects.get(user=hub.researcher).state() == "active"


def test_a_colleague_of_the_applicant_is_refused_as_on_the_page(hub: Hub) -> None:
    near = world.person("Near", "near@lyceum.example")
    hub.world.applied(near)
    reviewer = hub.token(hub.world.reviewers[0], Kind.REVIEW)
    status, said, _ = post(hub, reviewer, "handle", {"user": near.email, "status": "accepted"})
    assert (status, "both at lyceum.example" in said["x-error-message"]) == (403, True)


def test_asking_for_access_is_an_application(hub: Hub) -> None:
    applicant, path = hub.token(hub.stranger), "/lyceum/gated"
    thin = {name: answer for name, answer in world.ANSWERS.items() if name != "summary"}
    status, said, _ = post(hub, applicant, "ask-access", thin, path)
    assert (status, "summary" in said["x-error-message"]) == (400, True)
    assert Application.objects.get(applicant=hub.stranger).status == Status.DRAFT, "nothing typed is lost"
    label = next(f["label"] for s in hub.world.gate.form_spec for f in s["fields"] if f["name"] == "summary")
    status, said, _ = post(hub, applicant, "ask-access", {label: world.ANSWERS["summary"]}, path)
    assert (status, said["location"]) == (303, path)
    assert Application.objects.get(applicant=hub.stranger).status == Status.SUBMITTED
    assert post(hub, applicant, "ask-access", thin, path)[0] == 409
    assert post(hub, applicant, "cancel", {})[2] == {"ok": True}
    assert Application.objects.get(applicant=hub.stranger).status == Status.WITHDRAWN
    assert post(hub, applicant, "cancel", {})[0] == 409
    assert post(hub, hub.token(hub.world.manager), "cancel", {})[0] == 404, "somebody who never asked"
    assert post(hub, hub.token(hub.stranger, Kind.QUERY), "ask-access", thin, path)[0] == 403
    assert post(hub, "", "ask-access", thin, path)[0] == 401
    assert post(hub, applicant, "ask-access", thin, "/lyceum/open")[0] == 400, "an open model"


def test_a_batch_does_what_it_can(hub: Hub) -> None:
    people = [world.person(f"Person {n}") for n in range(3)]
    for person in people:
        hub.world.applied(person)
    reviewer = hub.token(hub.world.reviewers[0], Kind.REVIEW)
    asked = [{"user": people[0].email}, {"userId": str(people[1].pk)}, {"user": "nobody@nowhere.example"}]
    status, _, got = post(hub, reviewer, "batch", {"status": "rejected", "reason": "Closed.", "requests": asked})
    assert (status, [one["ok"] for one in got]) == (200, [True, True, False])
    assert "no access request" in got[2]["error"]
    assert post(hub, reviewer, "batch", {"status": "accepted", "requests": asked * 40})[0] == 400


def test_lists_come_in_pages(hub: Hub) -> None:
    for n in range(3):
        hub.world.applied(world.person(f"Person {n}"))
    reviewer, seen, target = bearer(hub.token(hub.world.reviewers[0], Kind.REVIEW)), [], f"{BASE}/pending?limit=2"
    while target:
        status, said, body = ask(hub.url, target, **reviewer)
        assert status == 200
        seen += [row["requestId"] for row in json.loads(body)]
        target = said["link"].split(">")[0].removeprefix(f"<{hub.url}") if "link" in said else ""
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 5000, {}, {"user": 7}, {"user": "\0"}, {"userId": "x"}, {"requestId": "'"},
        {"user": "\ud800", "status": "accepted"}, {"status": "accepted"}, {"user": "a@b.example", "status": "gone"},
    ],
)  # fmt: skip
def test_strange_bodies_are_told_so(hub: Hub, body: Any) -> None:
    reviewer = hub.token(hub.world.reviewers[0], Kind.REVIEW)
    for door in ("handle", "grant", "batch"):
        assert post(hub, reviewer, door, body)[0] in {400, 404}, door


def test_a_list_costs_the_same_for_one_and_for_many(hub: Hub) -> None:
    reviewer = DjangoClient(headers=bearer(hub.token(hub.world.reviewers[0], Kind.REVIEW)))
    counted = []
    for n in (1, 4):
        for each in range(n):
            hub.world.applied(world.person(f"Person {n} {each}"))
        with CaptureQueriesContext(connection) as seen:
            assert len(reviewer.get(f"{BASE}/pending").json()) >= n
        counted.append(len(seen))
    assert counted[1] <= counted[0] <= 12  # the first also remembers when the token was used
