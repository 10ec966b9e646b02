"""Openings, stops and errata by program: the same verbs as on the pages, for the same people."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.audit.models import Entry
from portal.outbox.telling import NOT_TOLD
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases import actions
from releases.models import Model, Revision
from releases.opening_models import Opening
from releases.stop_models import Stop
from tests.portal import world

REASON = "The tokenizer leaks a private text."
ERRATUM = {"severity": "serious", "title": "The tokenizer lacks a token", "text": "Take revision two instead."}


class Program:
    """Speaks with a token, in JSON."""

    def __init__(self, user: User, kind: Kind = Kind.SERVICE, scopes: Any = frozenset({Scope.MANAGE})) -> None:
        secret = tokens.issue(by=user, kind=kind, label="program", scopes=scopes)[1]
        self._client, self._headers = Client(), {"Authorization": f"Bearer {secret}"}

    def get(self, path: str) -> Any:
        return self._client.get(f"/api/v1/{path}", headers=self._headers)

    def post(self, path: str, **body: Any) -> Any:
        return self._client.post(f"/api/v1/{path}", body, content_type="application/json", headers=self._headers)


@pytest.fixture
def manager(lyceum: world.World) -> Program:
    return Program(lyceum.manager)


@pytest.fixture
def reviewers(lyceum: world.World) -> list[Program]:
    return [Program(person, Kind.REVIEW, None) for person in lyceum.reviewers]


@pytest.fixture
def outsider(harbour: world.World) -> Program:
    """The manager of another lab."""
    return Program(harbour.manager)


@pytest.fixture
def checked(lyceum: world.World, publish: Any) -> Revision:
    revision = publish(lyceum, "mine", publish=False).revisions.get()
    return actions.check(revision=revision, by=lyceum.manager)


# --- Openings -------------------------------------------------------------------------------------------------------
def test_a_program_plans_and_named_people_open_it(
    lyceum: world.World, checked: Revision, manager: Program, reviewers: list[Program]
) -> None:
    named = [str(person.pk) for person in lyceum.reviewers[:2]]
    made = manager.post("models/lyceum/mine/openings", approvers=named, approvals=2, announced=True)
    assert made.status_code == 201, made.json()
    told = made.json()
    assert (told["model"], told["revision"], told["state"]) == ("lyceum/mine", checked.commit, "planned")
    assert (told["waits_for"], told["verbs"]) == (["approvals"], ["hold", "cancel"])
    assert [row["person"]["id"] for row in told["named"]] == named
    at = f"openings/{told['id']}"
    assert reviewers[0].post(f"{at}/approve").json()["state"] == "planned"
    assert reviewers[0].post(f"{at}/take-back").json()["named"][0]["approved_at"] is None
    assert reviewers[0].post(f"{at}/approve").status_code == 200
    opened = reviewers[1].post(f"{at}/approve").json()
    assert (opened["state"], opened["waits_for"], opened["verbs"]) == ("opened", [], [])
    assert [step["verb"] for step in opened["history"]] == [
        "plan",
        "approve",
        "take_back",
        "approve",
        "approve",
        "open",
    ]
    assert Model.objects.get(name="mine").main == checked
    assert reviewers[1].post(f"{at}/approve").status_code == 409


def test_it_is_held_with_a_reason_resumed_and_cancelled(checked: Revision, manager: Program) -> None:
    opens_at = (timezone.now() + timedelta(hours=1)).isoformat()
    at = f"openings/{manager.post('models/lyceum/mine/openings', opens_at=opens_at).json()['id']}"
    assert manager.post(f"{at}/hold", reason=" ").json()["fields"].keys() == {"reason"}
    held = manager.post(f"{at}/hold", reason="Not settled.").json()
    assert (held["state"], held["held_reason"], held["verbs"]) == ("held", "Not settled.", ["resume", "cancel"])
    assert manager.post(f"{at}/resume").json()["waits_for"] == ["date"]
    assert manager.post(f"{at}/cancel", reason="With the next one.").json()["state"] == "cancelled"
    assert manager.get(at).json()["history"][-1]["text"] == "With the next one."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "opens_at"),
        ({"opens_at": "2020-01-01T00:00:00Z"}, "opens_at"),
        ({"approvals": 1}, "approvals"),
        ({"approvals": 1, "approvers": ["00000000-0000-4000-8000-000000000000"]}, "approvers"),
        ({"revision": "nowhere", "approvals": 1}, "revision"),
        ({"opens": "2027-01-01T00:00:00Z"}, "opens"),
    ],
)
def test_rules_that_cannot_be_met_are_told_by_field(
    checked: Revision, manager: Program, body: dict[str, Any], field: str
) -> None:
    refused = manager.post("models/lyceum/mine/openings", **body)
    assert (refused.status_code, refused.json()["fields"].keys()) == (400, {field})
    assert not Opening.objects.exists()


def test_to_another_lab_an_opening_is_not_there_and_a_reviewer_plans_none(
    lyceum: world.World, checked: Revision, outsider: Program, reviewers: list[Program], stranger: User
) -> None:
    made = actions.plan_opening(
        revision=checked, by=lyceum.manager, approvers=lyceum.reviewers[:1], approvals=1, announced=True
    )
    at = f"openings/{made.pk}"
    assert outsider.get("models/lyceum/mine/openings").status_code == 404
    assert outsider.get(at).status_code == 404
    assert outsider.post("models/lyceum/mine/openings", approvals=1).status_code == 404
    for verb, body in (("approve", {}), ("take-back", {}), ("hold", {"reason": "x"}), ("resume", {}), ("cancel", {})):
        assert outsider.post(f"{at}/{verb}", **body).status_code == 404
    assert reviewers[0].get(at).json()["verbs"] == ["approve", "take_back", "hold"]
    assert reviewers[1].get(at).json()["verbs"] == []
    assert reviewers[1].post(f"{at}/approve").status_code == 403
    assert reviewers[0].post(f"{at}/cancel").status_code == 403, "a token without the scope"
    assert reviewers[0].post("models/lyceum/mine/openings", approvals=1).status_code == 403
    made.refresh_from_db()
    assert (made.state, made.approved().count()) == ("planned", 0)


def test_the_list_costs_the_same_for_one_and_for_many(lyceum: world.World, checked: Revision, manager: Program) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert manager.get("models/lyceum/mine/openings").status_code == 200
        return len(asked)

    def cancelled() -> None:
        made = actions.plan_opening(revision=checked, by=lyceum.manager, approvers=lyceum.reviewers, approvals=2)
        actions.cancel_opening(opening=made, by=lyceum.manager)

    cancelled()
    manager.get("models/lyceum/mine/openings")
    one = cost()
    for _ in range(4):
        cancelled()
    assert cost() == one


# --- Stops ----------------------------------------------------------------------------------------------------------
def test_a_program_stops_and_lifts(lyceum: world.World, publish: Any, manager: Program) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    model, other = publish(lyceum, "mine", family=family), publish(lyceum, "other")
    bodies = {
        "model": ({}, "lyceum/mine"),
        "family": ({"what": "family"}, "lyceum/pico"),
        "revision": ({"what": "revision", "revision": "main"}, f"lyceum/mine@{model.main.commit[:12]}"),
    }
    for kind, (body, name) in bodies.items():
        made = manager.post("models/lyceum/mine/stops", reason=REASON, instead=other.full_name, **body)
        assert made.status_code == 201, made.json()
        told = made.json()
        assert (told["kind"], told["stopped"], told["instead"]) == (kind, name, "lyceum/other")
        assert manager.post("models/lyceum/mine/stops", reason=REASON, **body).status_code == 409
        lifted = manager.post(f"stops/{told['id']}/lift").json()
        assert lifted["lifted_by"]["id"] == str(lyceum.manager.pk)
        assert manager.post(f"stops/{told['id']}/lift").json() == lifted, "lifted twice is lifted once"
    assert [row["kind"] for row in manager.get("models/lyceum/mine/stops").json()["results"]] == list(bodies)[::-1]
    assert manager.get("models/lyceum/other/stops").json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"reason": REASON, "what": "family"}, "what"),
        ({"reason": REASON, "what": "revision"}, "revision"),
        ({"reason": REASON, "what": "revision", "revision": "draft"}, "revision"),
        ({"reason": REASON, "instead": "lyceum/mine"}, "instead"),
    ],
)
def test_a_stop_that_means_nothing_is_told_by_field(
    lyceum: world.World, publish: Any, manager: Program, body: dict[str, Any], field: str
) -> None:
    publish(lyceum, "mine")
    refused = manager.post("models/lyceum/mine/stops", **body)
    assert (refused.status_code, refused.json()["fields"].keys()) == (400, {field})
    assert not Stop.objects.exists()


def test_nobody_else_stops_or_lifts(
    lyceum: world.World, publish: Any, outsider: Program, reviewers: list[Program]
) -> None:
    stop = actions.stop_release(subject=publish(lyceum, "mine"), by=lyceum.manager, reason=REASON)
    other = publish(lyceum, "other")
    reviewing = Client()
    reviewing.force_login(lyceum.reviewers[0])
    for path in (f"models/{other.full_name}/stops", f"stops/{stop.pk}/lift"):
        assert outsider.post(path, reason=REASON).status_code == 404
        assert reviewers[0].post(path, reason=REASON).status_code == 403
        sent = reviewing.post(f"/api/v1/{path}", {"reason": REASON}, content_type="application/json")
        assert sent.status_code == 403
    assert outsider.get("models/lyceum/mine/stops").status_code == 404
    assert Stop.objects.in_force().get() == stop


# --- Errata ---------------------------------------------------------------------------------------------------------
def test_a_program_raises_errata_and_everybody_reads_them(lyceum: world.World, publish: Any, manager: Program) -> None:
    model = publish(lyceum, "mine", gate=lyceum.gate)
    first = manager.post("models/lyceum/mine/errata", **ERRATUM, revision="main").json()
    assert (first["revision"], first["scrub"]) == (model.main.commit, False)
    second = manager.post("models/lyceum/mine/errata", **ERRATUM, corrects=first["id"]).json()
    assert (second["revision"], second["corrects"]) == (None, first["id"])
    read = Client().get("/api/v1/models/lyceum/mine/errata")
    assert read.json()["results"] == [second, first]
    assert Entry.objects.filter(event="erratum.raised").count() == 2


def test_what_is_wrong_with_an_erratum_is_told_by_field(lyceum: world.World, publish: Any, manager: Program) -> None:
    publish(lyceum, "mine")
    publish(lyceum, "draft", publish=False)
    for change in ({"severity": "bad"}, {"title": ""}, {"text": ""}, {"revision": "nowhere"}, {"corrects": 1}):
        refused = manager.post("models/lyceum/mine/errata", **ERRATUM | change)
        assert (refused.status_code, refused.json()["fields"].keys()) == (400, change.keys())
    assert manager.post("models/lyceum/draft/errata", **ERRATUM).status_code == 400
    assert Client().get("/api/v1/models/lyceum/draft/errata").status_code == 404


def test_nobody_else_raises_one(lyceum: world.World, publish: Any, outsider: Program, reviewers: list[Program]) -> None:
    model = publish(lyceum, "mine")
    assert outsider.post("models/lyceum/mine/errata", **ERRATUM).status_code == 404
    assert reviewers[0].post("models/lyceum/mine/errata", **ERRATUM).status_code == 403
    assert (
        Client().post("/api/v1/models/lyceum/mine/errata", ERRATUM, content_type="application/json").status_code == 401
    )
    assert not model.errata.exists()


# --- At a shell -----------------------------------------------------------------------------------------------------
def said(*words: str) -> str:
    out = StringIO()
    call_command("stop_release", *words, stdout=out)
    return out.getvalue()


def test_the_operator_is_told_what_a_stop_does_not_reach_while_the_limits_store_is_away(
    lyceum: world.World, publish: Any, settings: Any
) -> None:
    model = publish(lyceum, "mine")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match="Downloads are refused already") as missed:
        said("lyceum/mine", "--reason", REASON)
    assert missed.value.returncode == NOT_TOLD
    assert "the gateways do not know it yet" in str(missed.value)
    assert model.stops.in_force().exists()
    with pytest.raises(CommandError, match="Downloads are given already"):
        said("lyceum/mine", "--lift")


def test_the_operator_stops_and_lifts_at_a_shell(lyceum: world.World, publish: Any) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    commit = publish(lyceum, "mine", family=family).main.commit
    for words in (["lyceum/mine"], [f"lyceum/mine@{commit[:8]}"], ["lyceum/pico", "--family"]):
        assert "Stopped" in said(*words, "--reason", REASON)
        with pytest.raises(CommandError, match="stopped already"):
            said(*words, "--reason", REASON)
        assert "Lifted" in said(*words, "--lift")
        with pytest.raises(CommandError, match="is not stopped"):
            said(*words, "--lift")
    assert {(stop.reason, stop.stopped_by) for stop in Stop.objects.all()} == {(REASON, None)}
    assert not Stop.objects.in_force().exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lyceum/nothing", "--reason", "x"], "There is no"),
        (["lyceum/mine@0000000", "--reason", "x"], "There is no"),
        (["lyceum/mine@", "--reason", "x"], "Name the commit"),
        (["lyceum/mine", "--family", "--reason", "x"], "There is no"),
        (["mine", "--reason", "x"], "There is no"),
        (["lyceum/mine"], "Say why"),
        (["lyceum/mine", "--reason", "x", "--instead", "lyceum/nothing"], "Name a published model"),
    ],
)
def test_what_the_operator_mistypes_is_told_and_stops_nothing(
    lyceum: world.World, publish: Any, words: list[str], told: str
) -> None:
    publish(lyceum, "mine")
    with pytest.raises(CommandError, match=told):
        said(*words)
    assert not Stop.objects.exists()


# --- Former names ---------------------------------------------------------------------------------------------------
def test_a_program_that_knows_a_model_by_its_former_name_is_answered_under_the_present_one(
    lyceum: world.World, publish: Any, manager: Program, outsider: Program
) -> None:
    actions.rename_model(model=publish(lyceum, "before"), lab=lyceum.lab, name="after", by=lyceum.manager)
    for name in ("before", "after"):
        assert outsider.get(f"why?model=lyceum/{name}").json()["model"] == "lyceum/after"
        assert outsider.get(f"models/lyceum/{name}/errata").status_code == 200
        assert manager.get(f"models/lyceum/{name}/openings").status_code == 200
        assert outsider.get(f"models/lyceum/{name}/openings").status_code == 404
    assert outsider.get("why?model=lyceum/never").status_code == 404


def test_the_former_name_of_a_model_that_was_never_published_tells_nobody_of_it(
    lyceum: world.World, publish: Any, manager: Program, outsider: Program
) -> None:
    hidden = publish(lyceum, "before", publish=False)
    actions.rename_model(model=hidden, lab=lyceum.lab, name="after", by=lyceum.manager)
    assert manager.get("why?model=lyceum/before").status_code == 200
    answers = [outsider.get(f"why?model=lyceum/{name}") for name in ("before", "never")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["title"] == answers[1].json()["title"].replace("never", "before")
