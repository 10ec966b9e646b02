"""The operator's lists with many rows: as many questions as for one, in an order, and none that reads a whole table for a filter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference.models import Allowance, Backend, Pool
from portal.audit.models import Entry
from portal.people.models import User
from portal.tokens.device_models import DeviceLogin
from tests.inference.bench import Bench, publish
from tests.portal import world


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    root = User.objects.create_superuser("root@operator.example", world.PASSWORD, name="Root")
    client.force_login(root, "allauth.account.auth_backends.AuthenticationBackend")
    return client


def asked(client: Client, model: type[Any], **query: str) -> tuple[str, list[str]]:
    """The page of a list, and what was asked of the database for it."""
    place = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(place, query)
    assert answer.status_code == 200, place
    return answer.content.decode(), [each["sql"] for each in seen.captured_queries]


def more(bench: Bench, n: int) -> None:
    """One row more of each kind whose line names something else, each of something of its own."""
    now, person = timezone.now(), world.person(f"Person {n}")
    model = publish(bench.world.lab, f"more-{n}")
    pool = Pool.objects.create(
        lab=bench.world.lab, name=f"more-{n}", model=model, commit="a" * 40, engine_model="more", context=1_024
    )
    Backend.objects.create(pool=pool, name="one", url="http://127.0.0.1:9/")
    project = world.build(f"lab-{n}").granted(person).project
    Allowance.objects.create(project=project, model=model, tokens_per_day=n + 1)
    DeviceLogin.objects.create(
        client_id="hf", place="127.0.0.1", user=person, device_digest=f"{n:064d}", user_digest=f"{n:064d}",
        expires_at=now + timedelta(minutes=5), decided_at=now, state="approved",
    )  # fmt: skip


def test_an_operators_list_asks_as_often_for_many_rows_as_for_one(bench: Bench, operator: Client) -> None:
    more(bench, 0)
    kinds = (Pool, Backend, Allowance, DeviceLogin)
    before = [len(asked(operator, kind)[1]) for kind in kinds]
    for n in range(1, 5):
        more(bench, n)
    assert [len(asked(operator, kind)[1]) for kind in kinds] == before


@pytest.mark.filterwarnings("ignore:The default scheme")  # of a form that is never shown
def test_no_list_reads_a_whole_table_to_offer_its_filter(bench: Bench, operator: Client) -> None:
    for model in admin.site._registry:
        assert not [sql for sql in asked(operator, model)[1] if sql.startswith("SELECT DISTINCT")], model


def test_an_operator_reads_the_trail_from_its_end_and_people_by_their_address(bench: Bench, operator: Client) -> None:
    page, _ = asked(operator, Entry, event="token.issued")
    assert "token.issued" in page
    assert page.count('class="field-event"') == Entry.objects.filter(event="token.issued").count()
    events = list(Entry.objects.order_by("-id").values_list("target_id", flat=True)[:2])
    page, _ = asked(operator, Entry)
    assert page.index(events[0]) < page.index(events[1])
    world.person("Aaron", "aaron@place.example")
    page, _ = asked(operator, User)
    assert page.index("aaron@place.example") < page.index("noor@lyceum.example") < page.index("root@operator.example")
