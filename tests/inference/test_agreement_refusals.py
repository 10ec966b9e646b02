"""A holder who has not signed the new text: each door says so with a code and the address to sign at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inference.contract import Principal
from inference.introspection import introspect
from portal.access import actions
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from tests.inference.bench import GATED, OPEN
from tests.portal import world


def publish(bench, **more):
    agreement = bench.grant.gate.agreement
    manager = agreement.lab.memberships.get(role="manager").user
    return agreements.publish_version(by=manager, agreement=agreement, text=world.TEXT + "3. More.", **more)


def sign(bench, version):
    who = bench.researcher
    actions.sign_again(
        by=who, grant=bench.grant, typed_name=who.name, capacity="for myself", text_sha256=version.sha256
    )


@pytest.fixture
def sign_at(bench, settings):
    return f"{settings.BASE_URL}{reverse('access:sign_again', args=[bench.grant.pk])}"


@pytest.fixture
def hub(bench) -> Client:
    _, secret = tokens.issue(by=bench.researcher, kind=Kind.DOWNLOAD, label="laptop")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def test_introspection_says_what_to_sign_and_where(bench, sign_at):
    version = publish(bench)
    principal = introspect(bench.token.digest).principal
    assert set(principal.models) == {OPEN}
    assert (principal.refused[GATED].code, principal.refused[GATED].url) == ("agreement_changed", sign_at)
    assert sign_at in principal.refused[GATED].message
    assert Principal.from_json(principal.to_json()) == principal
    sign(bench, version)
    principal = introspect(bench.token.digest).principal
    assert (set(principal.models), principal.refused) == ({OPEN, GATED}, {})


def test_a_notice_refuses_nothing_until_its_date_and_then_says_where_to_sign(bench, sign_at):
    version = publish(bench, change_class=ChangeClass.NOTICE, grace_ends_at=timezone.now() + timedelta(days=5))
    before = introspect(bench.token.digest).principal
    assert before.models[GATED].not_after == int(version.grace_ends_at.timestamp() * 1000)
    after = introspect(bench.token.digest, now=version.grace_ends_at).principal
    assert after.refused[GATED].url == sign_at


def test_the_hub_says_so_in_headers_and_body(bench, hub, sign_at):
    path = f"/api/models/{GATED}/auth-check"
    assert hub.get(path).status_code == 200
    version = publish(bench)
    refused = hub.get(path)
    assert (refused.status_code, refused["X-Error-Code"]) == (403, "GatedRepo")
    assert refused["X-HF-Warning"].startswith("agreement_changed; ")
    assert sign_at in refused["X-Error-Message"]
    assert (refused.json()["code"], refused.json()["url"]) == ("agreement_changed", sign_at)
    sign(bench, version)
    assert hub.get(path).status_code == 200


def test_the_api_that_explains_says_so_too(bench, sign_at):
    publish(bench)
    client = Client()
    client.force_login(bench.researcher)
    answer = client.get("/api/v1/why", {"model": GATED, "action": "query"}).json()
    missing = [condition["missing"] for condition in answer["conditions"] if condition["missing"]]
    assert [(each["code"], each["url"]) for each in missing] == [("agreement_changed", sign_at)]
