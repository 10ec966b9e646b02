"""The whole API, attacked from its own description: no answer of ours is a fault, none is undescribed, none ignores who asks.

schemathesis makes requests from the OpenAPI document and holds every answer against it. Half of them name things that
are there; each is undone, so that the next finds the world as it was. A few from a fixed seed always, many in the drill.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.conf import settings as portal
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from portal.access import actions
from portal.access.application_models import Decline
from portal.api import description
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from portal.webhooks import actions as webhooks
from portal.webhooks.models import Delivery
from tests.architecture import walk
from tests.portal import seats, world

pytestmark = pytest.mark.xdist_group("attack")
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
    checks.unsupported_method,
]
PUBLIC = {"GET /api/v1/gates", "GET /api/v1/numbers"}
WHO = ("reviewer", "manager", "anonymous")
SIZES = [pytest.param(2, id="few"), pytest.param(150, id="many", marks=[pytest.mark.drill, pytest.mark.timeout(3600)])]


@dataclass
class Attacked:
    """A lab in which something happened, and who knocks at it."""

    schema: Any
    credentials: dict[str, dict[str, dict[str, str]]]
    """By who asks: the headers and cookies of each request."""
    real: dict[str, list[Any]]


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Every request of a test runs in the test's own transaction, as with Django's client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def attacked(db, _one_connection, monkeypatch) -> Iterator[Attacked]:
    monkeypatch.setattr("portal.webhooks.wire.fault", lambda _url: "")
    w = world.build("lyceum", quorum=1)
    people = [world.person(f"Person {n}") for n in range(5)]
    waiting, approved, declined, granted = (
        w.applied(people[0]),
        w.approved(people[1]),
        w.applied(people[2]),
        people[3],
    )
    actions.decline(by=w.reviewers[1], application=declined, reason=Decline.DETAIL, message="Too thin.")
    grant = w.granted(granted)
    own = actions.save_draft(by=people[4], gate=w.gate, answers=world.ANSWERS)
    actions.add_note(by=w.reviewers[1], application=waiting, text="Sound.")
    endpoint, _ = webhooks.add_endpoint(
        by=w.manager, lab=w.lab, url="https://hooks.example.org/", events=["grant.given"]
    )
    sent = Delivery.objects.create(endpoint=endpoint, event="grant.given", body={"a": 1}, state="failed")
    day = timezone.now().date()
    away = actions.name_substitute(by=w.reviewers[0], lab=w.lab, substitute=w.reviewers[1], starts_on=day, ends_on=day)
    invited = actions.invite(by=people[0], application=waiting, name="Jonas Weber", email="jonas@place.example")
    institution = seats.in_force(w)
    line = actions.invite_to_roster(by=institution.official, agreement=institution, text=f"a@{seats.DOMAIN}")[0][0]
    real = {
        "member": [invited.pk],
        "secret": [seats.secret("member_invited")],
        "institutional": [str(institution.pk)],
        "line": [line.pk],
        "application": [str(each.pk) for each in (waiting, approved, declined, own)],
        "grant": [str(grant.pk)],
        "webhook": [str(endpoint.pk)],
        "delivery": [str(sent.pk)],
        "substitute": [away.pk],
        "lab": ["lyceum"],
        "gate": [w.gate.slug],
        "agreement": ["research"],
        "reason": ["declined_detail"],
        "version": [1],
    }
    credentials = {
        "reviewer": _bearer(w.reviewers[0], Kind.REVIEW, None),
        "manager": _bearer(w.manager, Kind.SERVICE, {Scope.MANAGE}),
        "applicant": _session(people[4]),
        "anonymous": {},
    }
    for each in credentials.values():  # in process nothing undoes an encoding
        each["headers"] = {**each.get("headers", {}), "Accept-Encoding": "identity"}
    yield Attacked(_schema(), credentials, real)
    cache.clear()


def _bearer(user, kind, scopes) -> dict[str, dict[str, str]]:
    secret = tokens.issue(by=user, kind=kind, label="attack", scopes=scopes)[1]
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def _session(user) -> dict[str, dict[str, str]]:
    client = Client()
    client.force_login(user)
    csrf = _get_new_csrf_string()
    cookies = {
        portal.SESSION_COOKIE_NAME: client.cookies[portal.SESSION_COOKIE_NAME].value,
        portal.CSRF_COOKIE_NAME: csrf,
    }
    return {"headers": {"X-CSRFToken": csrf}, "cookies": cookies}


def _schema():
    made = copy.deepcopy(json.loads(description.as_json()))
    made["components"]["securitySchemes"]["session"]["name"] = portal.SESSION_COOKIE_NAME
    schema = schemathesis.openapi.from_dict(made)
    schema.app = get_wsgi_application()
    return schema


def _quietly(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, database=None, derandomize=examples < 50, print_blob=False,
        suppress_health_check=list(HealthCheck), stateful_step_count=8,
    )  # fmt: skip


@pytest.mark.parametrize("examples", SIZES)
@pytest.mark.parametrize("who", WHO)
def test_every_operation_answers_as_it_is_described(attacked, who, examples):
    operations = _share([found.ok() for found in attacked.schema.get_all_operations()], who, examples)
    done = {operation.label for operation in operations if _attack(attacked, who, operation, examples)}
    anybodys = {each.label for each in operations if {} in each.definition.raw.get("security", [])}
    assert done >= PUBLIC, "an attack that only ever bounces off tests nothing"
    assert anybodys >= PUBLIC
    assert (who == "anonymous") == (done <= anybodys)


def _share(operations: list[Any], who: str, examples: int) -> list[Any]:
    """All of them in the drill. Otherwise each person attacks every third, and what is public."""
    if examples > SIZES[0].values[0]:
        return operations
    return [each for n, each in enumerate(operations) if n % len(WHO) == WHO.index(who) or each.label in PUBLIC]


def _attack(attacked: Attacked, who: str, operation: Any, examples: int) -> bool:
    """Hold each answer against the description; whether any request was granted."""
    granted = []

    @seed(len(operation.label))
    @_quietly(examples)
    @given(case=operation.as_strategy(), picks=st.randoms(use_true_random=False), there=st.booleans())
    def attack(case, picks, there):
        for name in case.path_parameters or {} if there else ():
            case.path_parameters[name] = picks.choice(attacked.real.get(name, [case.path_parameters[name]]))
        with walk.undone():
            answer = case.call_and_validate(**attacked.credentials[who], checks=CHECKS)
        granted.append(answer.status_code < 300)

    attack()
    return any(granted)


@pytest.mark.parametrize("examples", SIZES)
@pytest.mark.parametrize("who", ["reviewer", "manager", "applicant"])
def test_one_answer_leads_to_the_next_request(attacked, who, examples):
    """Stateful: the description's links are followed, and each answer is held against it."""

    class Walk(attacked.schema.as_state_machine()):
        def setup(self):
            """Each walk begins in the same world, whatever the one before did."""
            cache.clear()
            self.world = ExitStack()
            self.world.enter_context(walk.undone())

        def teardown(self):
            self.world.close()

        def get_call_kwargs(self, case):
            return attacked.credentials[who]

        def validate_response(self, response, case, additional_checks=None, **kwargs):
            case.validate_response(response, checks=CHECKS[:-2])

    run_state_machine_as_test(Walk, settings=_quietly(examples))
