"""A text that no database keeps (half a character, a NUL) is refused by the API wherever it stands in a body."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from django.test import Client

from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases.logbook_models import Logbook
from tests.portal.world import World

pytestmark = pytest.mark.django_db

ODD: Final = ("\ud800", "a\udfffb", "a\0b")


def nested(odd: str) -> list[Any]:
    """Bodies' members with it at each place that a member has."""
    return [odd, {"a": odd}, {odd: "a"}, {"a": [odd]}, {"a": {odd: [{"b": odd}]}}]


def send(client: Client, method: str, address: str, body: Any) -> None:
    answer = getattr(client, method)(address, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400, (address, body, answer.content[:300])
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_what_one_says_of_oneself(mara: User, odd: str) -> None:
    own = Client(raise_request_exception=False)
    own.force_login(mara)
    for body in ({"name": odd}, {"name": "M", "page": f"https://a.example/{odd}"}, {"name": "M", odd: "a"}):
        send(own, "put", "/api/v1/me/profile", body)
    for member in ("organisation", "ror", "site", "country", "position", "contested"):
        place = {"organisation": "A Cooperative", "site": "https://coop.example", "country": "NO"}
        send(own, "put", "/api/v1/me/profile", {"name": "M", "place": place | {member: odd}})
    send(own, "post", "/api/v1/me/address", {"address": f"{odd}@coop.example"})
    assert User.objects.get(pk=mara.pk).name == "Mara Lindqvist"


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_answers_to_a_form(lyceum: World, mara: User, odd: str) -> None:
    own = Client(raise_request_exception=False)
    own.force_login(mara)
    for answers in ({"purpose": odd}, *nested(odd)[1:]):
        send(own, "put", f"/api/v1/gates/{lyceum.gate.slug}/draft", {"answers": answers})


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_what_a_lab_writes(lyceum: World, publish: Any, odd: str) -> None:
    model = publish(lyceum, "free", publish=False)
    book = Logbook.objects.create(model=model, title="Logbook")
    secret = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE, Scope.PUBLISH}, label="t")[1]
    program = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    for member in nested(odd):
        send(program, "post", f"/api/v1/logbooks/{book.pk}/entries", {"title": "T", "before": member})
        send(
            program, "post", "/api/v1/models/lyceum/free/evaluations",
            {"document": member if isinstance(member, dict) else {"results": member}, "ran_by": "x"},
        )  # fmt: skip
