"""“Why?”: who may ask about whom, and that the answer is the doors' own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.access import actions as access
from portal.access.models import Grant
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.models import Model
from tests.portal import world
from tests.portal.world import World

pytestmark = pytest.mark.django_db
API = "/api/v1/why"


@pytest.fixture
def model(lyceum: World, publish: Any) -> Model:
    return publish(lyceum, "gated", gate=lyceum.gate)


def visit(user: User | None, model: Model, person: Any = "", action: str = "download") -> Any:
    client = Client()
    if user:
        client.force_login(user)
    return client.get(f"/{model.full_name}/why", {"person": getattr(person, "pk", person), "action": action})


def ask(user: User, model: Model, person: Any = "", secret: str = "", **more: str) -> Any:
    client = Client(headers={"Authorization": f"Bearer {secret}"} if secret else {})
    if not secret:
        client.force_login(user)
    return client.get(API, {"model": model.full_name, "person": str(getattr(person, "pk", person)), **more})


def states(answer: Any) -> dict[str, bool | None]:
    return {c["rule"]: c["met"] for c in answer.json()["conditions"]}


def test_a_stranger_reads_what_is_missing_and_what_cannot_be_judged_yet(model: Model, stranger: User) -> None:
    page = visit(stranger, model)
    assert page.status_code == 200
    assert "Apply at the gate." in page.content.decode()
    answer = ask(stranger, model)
    assert (answer.json()["allowed"], states(answer)["approved"], states(answer)["not_ended"]) == (False, False, None)
    assert [c["missing"]["code"] for c in answer.json()["conditions"] if c["missing"]] == ["apply"]


def test_a_holder_reads_that_all_is_met(model: Model, lyceum: World, mara: User) -> None:
    grant = lyceum.granted(mara)
    answer = ask(mara, model).json()
    assert (answer["allowed"], answer["grant"], answer["until"] is not None) == (True, str(grant.pk), True)
    assert all(c["met"] for c in answer["conditions"])
    assert "not met" not in visit(mara, model).content.decode()


def test_two_things_that_are_wrong_are_both_told(model: Model, lyceum: World, mara: User) -> None:
    grant = lyceum.granted(mara)
    access.suspend_grant(by=lyceum.manager, grant=grant, reason="a question")
    Grant.objects.filter(pk=grant.pk).update(capabilities=["query"])
    missing = [c["missing"]["code"] for c in ask(mara, model).json()["conditions"] if c["missing"]]
    assert missing == ["suspended", "not_granted"]


def test_staff_ask_about_who_came_to_their_gates(model: Model, lyceum: World, mara: User) -> None:
    lyceum.applied(mara)
    for who in (lyceum.manager, lyceum.reviewers[0]):
        page = visit(who, model, mara, "query")
        assert "May Mara Lindqvist query this model?" in page.content.decode()
        assert "The lab’s reviewers decide" in page.content.decode()
    assert ask(lyceum.manager, model, mara).json()["person"] == str(mara.pk)


def test_everybody_else_learns_nothing(model: Model, lyceum: World, harbour: World, mara: User, stranger: User) -> None:
    lyceum.applied(mara)
    asked = [
        (stranger, mara),  # a stranger about an applicant
        (mara, lyceum.manager),  # an applicant about staff
        (harbour.manager, mara),  # another lab's manager
        (lyceum.manager, stranger),  # about somebody who never came
        (lyceum.manager, uuid4()),
        (lyceum.manager, "'; --"),
    ]
    for who, about in asked:
        assert visit(who, model, about).status_code == 404, (who, about)
        assert ask(who, model, about).status_code == 404, (who, about)
    assert visit(None, model).status_code == 302
    assert Client().get(API, {"model": model.full_name}).status_code == 401


def test_a_draft_application_is_nobody_elses_business(model: Model, lyceum: World, mara: User) -> None:
    access.save_draft(by=mara, gate=lyceum.gate, answers=world.ANSWERS)
    assert visit(lyceum.manager, model, mara).status_code == 404


def test_a_token_is_weighed_itself(model: Model, lyceum: World, mara: User) -> None:
    lyceum.granted(mara)
    _, downloads = tokens.issue(by=mara, kind=Kind.DOWNLOAD, label="d")
    _, queries = tokens.issue(by=mara, kind=Kind.QUERY, label="q")
    assert ask(mara, model, secret=downloads).json()["allowed"] is True
    assert states(ask(mara, model, secret=queries))["scope"] is False


def test_a_token_asks_about_others_only_with_a_staff_scope(model: Model, lyceum: World, mara: User) -> None:
    lyceum.applied(mara)
    _, review = tokens.issue(by=lyceum.reviewers[0], kind=Kind.REVIEW, label="r")
    _, download = tokens.issue(by=lyceum.reviewers[0], kind=Kind.DOWNLOAD, label="d")
    assert ask(lyceum.reviewers[0], model, mara, secret=review).status_code == 200
    refused = ask(lyceum.reviewers[0], model, mara, secret=download)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_wrong_questions_are_told_so(model: Model, mara: User) -> None:
    assert visit(mara, model, action="steal").status_code == 400
    assert ask(mara, model, action="view").status_code == 400
    client = Client()
    client.force_login(mara)
    for name, status in (("", 400), ("nothing", 400), ("lyceum/nothing", 404), ("\0/\0", 400)):
        assert client.get(API, {"model": name}).status_code == status


def test_refusals_lead_to_it(model: Model, lyceum: World, mara: User, stranger: User) -> None:
    client = Client()
    client.force_login(stranger)
    why = f"/{model.full_name}/why"
    assert why in client.get(f"/{model.full_name}").content.decode()
    refused = client.get(f"/{model.full_name}/download/main/model.safetensors")
    assert (refused.status_code, f"{why}?action=download" in refused.content.decode()) == (403, True)
    grant = lyceum.granted(mara)
    client.force_login(lyceum.manager)
    assert f"{why}?person={mara.pk}" in client.get(f"/grants/{grant.pk}/").content.decode()


def test_it_costs_the_same_however_much_happened(model: Model, lyceum: World, mara: User) -> None:
    def queries() -> int:
        client = Client()
        client.force_login(lyceum.manager)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"/{model.full_name}/why", {"person": str(mara.pk)}).status_code == 200
        return len(seen)

    access.revoke_grant(by=lyceum.manager, grant=lyceum.granted(mara), reason="drill")
    once = queries()
    for _ in range(3):
        access.revoke_grant(by=lyceum.manager, grant=lyceum.granted(mara), reason="drill")
    for n in range(5):
        lyceum.applied(world.person(f"Other {n}"))
    assert queries() == once <= 12 + 1  # what is announced: asked once in ten seconds
