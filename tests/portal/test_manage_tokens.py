"""A token with which a lab's program does what its managers do: made by one of them, in person, and by nobody else."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from tests.portal.test_device_login import approve, begun
from tests.portal.world import browser

pytestmark = pytest.mark.django_db
ASKED = {"label": "nightly", "kind": "svc", "days": "90"}
PAGE = "/me/tokens/"


def test_a_manager_makes_a_token_that_manages_and_a_program_uses_it(lyceum):
    made = browser(lyceum.manager).post(PAGE, ASKED)
    secret = re.search(r"wb_svc_[0-9A-Za-z]{38}", made.content.decode())
    assert secret
    assert AccessToken.objects.get().scopes == ["manage"]
    program = Client(headers={"Authorization": f"Bearer {secret.group()}"})
    assert program.get(f"/api/v1/gates/{lyceum.gate.slug}").status_code == 200
    assert program.get("/api/v1/grants").status_code == 200
    assert program.get("/api/v1/me/tokens").status_code == 403, "no token makes or sees another"


def test_neither_a_reviewer_nor_a_researcher_is_offered_or_given_one(lyceum, mara):
    for person in (mara, lyceum.reviewers[0]):
        client = browser(person)
        assert 'value="svc"' not in client.get(PAGE).content.decode()
        assert client.post(PAGE, ASKED).status_code == 422
        api = client.post("/api/v1/me/tokens", {"label": "x", "kind": "service"}, content_type="application/json")
        assert api.status_code == 403
    assert not AccessToken.objects.exists()


def test_who_makes_one_says_again_that_it_is_them_and_for_a_token_of_ones_own_need_not(lyceum, settings):
    settings.STEP_UP = True
    client = browser(lyceum.manager)
    asked = client.post(PAGE, ASKED)
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    api = client.post("/api/v1/me/tokens", {"label": "x", "kind": "service"}, content_type="application/json")
    assert (api.status_code, api.json()["code"]) == (403, "step_up_needed")
    assert not AccessToken.objects.exists()
    assert client.post(PAGE, {**ASKED, "kind": "dl"}).status_code == 200


def test_a_program_makes_one_of_a_session_as_the_page_does(lyceum):
    client = browser(lyceum.manager)
    made = client.post("/api/v1/me/tokens", {"label": "x", "kind": "service"}, content_type="application/json")
    assert (made.status_code, made.json()["scopes"]) == (201, ["manage"])


def test_a_program_that_asks_from_elsewhere_is_never_given_a_lab(lyceum):
    told, client = begun(), browser(lyceum.manager)
    assert 'value="svc"' not in client.post("/device/", {"code": told["user_code"]}).content.decode()
    assert approve(client, told["user_code"], kind=Kind.SERVICE.value).status_code == 422
