"""Who gets at a model, and what it belongs to: a release manager says so on its page, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Invalid, NotAllowed
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases import actions, policy
from releases.models import Model
from tests.portal.world import World, browser


def may_download(person: User | None, model: Model) -> bool:
    asked = {"person": person, "scopes": None, "model": model, "revision": None, "capability": "download"}
    return isinstance(policy.decide(**asked, now=timezone.now()), policy.Allow)


def said(model: Model, **changes: Any) -> dict[str, Any]:
    now = {"gate": model.gate_id or "", "agreement": "", "family": model.family_id or "", "summary": model.summary}
    return {"verb": "describe", **now, **changes}


def page(model: Model) -> str:
    return f"/{model.full_name}/settings"


def test_a_manager_puts_a_model_behind_a_gate_and_a_stranger_can_no_more_have_it(
    lyceum: World, publish: Any, mara: User
) -> None:
    model = publish(lyceum, "open")
    assert may_download(mara, model)
    client = browser(lyceum.manager)
    assert "everybody: it has no gate" in client.get(f"/{model.full_name}/revisions/main").content.decode()
    sent = client.post(page(model), said(model, gate=lyceum.gate.pk))
    assert sent.status_code == 302
    model = Model.objects.get(pk=model.pk)
    assert model.gate == lyceum.gate
    assert not may_download(mara, model)
    assert Entry.objects.filter(event="model.changed").exists()


def test_a_published_model_is_given_to_everybody_by_two_answers(lyceum: World, publish: Any, mara: User) -> None:
    model, client = publish(lyceum, "gated", gate=lyceum.gate), browser(lyceum.manager)
    slip = client.post(page(model), said(model, gate=""))
    assert slip.status_code == 422
    assert "Say so here too" in slip.content.decode()
    assert not may_download(mara, Model.objects.get(pk=model.pk))
    client.post(page(model), said(model, gate="", everybody="on"))
    assert may_download(mara, Model.objects.get(pk=model.pk))


def test_a_draft_may_change_its_mind_without_being_asked_twice(lyceum: World, publish: Any) -> None:
    model = publish(lyceum, "next", gate=lyceum.gate, publish=False)
    assert browser(lyceum.manager).post(page(model), said(model, gate="")).status_code == 302
    assert Model.objects.get(pk=model.pk).gate is None


def test_a_model_begins_a_family_and_another_joins_it(lyceum: World, publish: Any) -> None:
    first, second, client = publish(lyceum, "one"), publish(lyceum, "two"), browser(lyceum.manager)
    asked = {"verb": "family", "slug": "pair", "title": "A pair", "about": "Two models."}
    assert client.post(page(first), asked).status_code == 302
    family = Model.objects.get(pk=first.pk).family
    assert (family.full_name, family.summary) == ("lyceum/pair", "Two models.")
    assert client.post(page(second), asked | {"about": ""}).status_code == 422
    family.refresh_from_db()
    assert family.summary == "Two models.", "who begins it again does not write over it"
    client.post(page(second), said(second, family=family.pk))
    assert set(family.models.values_list("name", flat=True)) == {"one", "two"}


def test_reviewers_strangers_and_other_labs_find_no_such_page(
    lyceum: World, harbour: World, publish: Any, mara: User
) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    for person in (mara, lyceum.reviewers[0], harbour.manager):
        client = browser(person)
        assert client.get(page(model)).status_code == 404
        assert client.post(page(model), said(model, gate="", everybody="on")).status_code == 404
    assert Client().get(page(model)).status_code == 302
    assert Model.objects.get(pk=model.pk).gate == lyceum.gate


def test_a_gate_of_another_lab_is_not_offered_and_not_taken(lyceum: World, harbour: World, publish: Any) -> None:
    model = publish(lyceum, "open")
    assert browser(lyceum.manager).post(page(model), said(model, gate=harbour.gate.pk)).status_code == 422
    with pytest.raises(Invalid):
        actions.describe_model(model=model, by=lyceum.manager, gate=harbour.gate)
    with pytest.raises(Invalid):
        actions.open_model(lab=lyceum.lab, name="new", by=lyceum.manager, gate=harbour.gate)
    with pytest.raises(NotAllowed):
        actions.describe_model(model=model, by=harbour.manager, gate=harbour.gate)
    assert Model.objects.get(pk=model.pk).gate is None


def test_a_model_made_in_the_browser_stands_behind_its_gate_from_the_beginning(lyceum: World, harbour: World) -> None:
    client = browser(lyceum.manager)
    asked = {"lab_slug": "lyceum", "name": "next", "summary": "", "gate": lyceum.gate.pk}
    assert client.post("/publish/", asked | {"gate": harbour.gate.pk}).status_code == 422
    assert client.post("/publish/", asked).status_code == 302
    assert Model.objects.get().gate == lyceum.gate


def test_the_page_of_a_gate_says_what_is_behind_it_and_how_to_put_something_there(lyceum: World, publish: Any) -> None:
    gate = f"/gates/lyceum/{lyceum.gate.slug}/"
    assert "No model yet" in browser(lyceum.manager).get(gate).content.decode()
    model = publish(lyceum, "gated", gate=lyceum.gate)
    shown = browser(lyceum.manager).get(gate).content.decode()
    assert f'href="{model.get_absolute_url()}"' in shown
    assert f'href="{page(model)}"' in shown
    assert f'href="{page(model)}"' not in browser(lyceum.reviewers[0]).get(gate).content.decode()


def asked(person: User) -> Any:
    secret = tokens.issue(by=person, kind=Kind.SERVICE, label="program", scopes=frozenset({Scope.MANAGE}))[1]
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def ask(method: str, model: Model, **body: Any) -> Any:
        sent = {"data": body, "content_type": "application/json"} if body else {}
        return getattr(client, method)(f"/api/v1/models/{model.full_name}/settings", **sent)

    return ask


def test_a_program_says_who_gets_in_as_the_page_does(lyceum: World, harbour: World, publish: Any, mara: User) -> None:
    model, manager = publish(lyceum, "open"), asked(lyceum.manager)
    whole = {"gate": lyceum.gate.slug, "agreement": None, "family": None, "summary": "Small."}
    assert manager("get", model).json()["gate"] is None
    assert manager("put", model, **whole).json() == {"model": model.full_name, **whole}
    assert not may_download(mara, Model.objects.get(pk=model.pk))
    slip = manager("put", model, **whole | {"gate": None})
    assert (slip.status_code, list(slip.json()["fields"])) == (400, ["everybody"])
    foreign = manager("put", model, **whole | {"gate": harbour.gate.slug})
    assert (foreign.status_code, list(foreign.json()["fields"])) == (400, ["gate"])
    assert asked(harbour.manager)("put", model, **whole | {"gate": None, "everybody": True}).status_code == 404
    assert not may_download(mara, Model.objects.get(pk=model.pk))
    assert manager("put", model, **whole | {"gate": None, "everybody": True}).status_code == 200
    assert may_download(mara, Model.objects.get(pk=model.pk))
