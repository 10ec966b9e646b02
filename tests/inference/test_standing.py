"""What works now, as everybody reads it: the doors, mail, and the models that can be queried."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis
from django.core.cache import caches
from django.utils import timezone

from inference import contract, overview, standing
from inference.contract import Report, Seen
from inference.models import Pool
from portal.announcements import actions as announcements
from portal.announcements.models import Announcement, Kind
from portal.mail.sending import TOPIC
from portal.outbox.models import Message
from portal.switches.models import Switch, flip
from tests.inference.bench import GATED, OPEN

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh():
    caches["process"].clear()
    yield
    caches["process"].clear()


def seen(client):
    """The API's answer, looked at afresh."""
    caches["process"].clear()
    return client.get("/api/v1/status").json()


def part(client, name):
    return next(one for one in seen(client)["parts"] if one["name"] == name)


def report(store, bench, *words):
    """What a gateway sees of each server of the open model, in order; the others are well."""
    urls = [one.url for pool in Pool.objects.serving() for one in pool.backends.all()]
    ours = [one.url for one in Pool.objects.proper().get(model=bench.open_model).backends.order_by("pk")]
    states = dict.fromkeys(urls, "well") | dict(zip(ours, words, strict=False))
    told = Report(time.time_ns() // 1_000_000, {url: Seen(word, 0, 0, 0, 0.0) for url, word in states.items()})
    store.hset(contract.REPORTS, "gateway", told.to_json())


def test_a_stranger_reads_that_all_is_well(bench, store, client):
    report(store, bench)
    found = seen(client)
    assert found["well"] is True
    assert {one["name"]: one["state"] for one in found["parts"]} == dict.fromkeys([*Switch.values, "mail"], "works")
    assert {one["model"]: one["state"] for one in found["models"]} == {OPEN: "works", GATED: "works"}
    page = client.get("/status/").content.decode()
    assert "All that is offered here works." in page
    assert OPEN in page


def test_while_a_disturbance_is_announced_nobody_reads_that_all_works(bench, store, client):
    report(store, bench)
    told = announcements.publish(
        kind=Kind.DISTURBANCE, title="Slow", text="", starts_at=timezone.now() + timedelta(hours=1), ends_at=None, by=None
    )  # fmt: skip
    assert "All that is offered here works." in client.get("/status/").content.decode()
    Announcement.objects.filter(pk=told.pk).update(starts_at=timezone.now())
    assert "a disturbance is known" in client.get("/status/").content.decode()


def test_a_server_that_is_ejected_is_counted_out_and_without_any_the_model_is_away(bench, store, client):
    report(store, bench, "ejected")
    there = {one["model"]: one for one in seen(client)["models"]}
    assert (there[OPEN]["state"], there[OPEN]["servers"], there[OPEN]["of"]) == ("away", 0, 1)
    assert there[GATED]["state"] == "works"
    assert "Not everything works at the moment." in client.get("/status/").content.decode()


def test_where_no_gateway_reports_nothing_is_claimed(bench, store, client):
    assert {one["state"] for one in seen(client)["models"]} == {"not known"}


def test_requests_that_wait_are_counted_and_the_model_works(bench, store, client):
    report(store, bench)
    pool = Pool.objects.proper().get(model=bench.open_model)
    store.hset(f"wb:queue:{pool}:who", mapping={"r1": "x", "r2": "x"})
    found = seen(client)
    busy = next(one for one in found["models"] if one["model"] == OPEN)
    assert (busy["state"], busy["waiting"], found["well"]) == ("busy", 2, True)


def test_a_closed_door_is_said_with_its_hour_and_without_the_operators_reason(bench, store, client):
    report(store, bench)
    flip(switch=Switch.QUERY, on=False, reason="Somebody from Delphi scrapes us.", by=None)
    assert part(client, "query")["state"] == "closed"
    assert part(client, "query")["since"] is not None
    assert {one["state"] for one in seen(client)["models"]} == {"closed"}
    assert "Delphi" not in client.get("/status/").content.decode()
    flip(switch=Switch.QUERY, on=True, reason="", by=None)
    assert part(client, "query") == {"name": "query", "state": "works", "since": None}


def test_without_the_limits_store_queries_are_away_and_the_page_stands(bench, client, monkeypatch):
    def gone(*_given, **_named):
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(redis.Redis, "execute_command", gone)
        assert part(client, "query")["state"] == "away"
        assert client.get("/status/").status_code == 200


def test_letters_that_wait_are_told_and_one_that_was_given_up_is_not(bench, store, client):
    long_ago = timezone.now() - standing.LATE - timedelta(minutes=1)
    waiting = Message.objects.create(topic=TOPIC, key="a")
    assert part(client, "mail")["state"] == "works"
    Message.objects.filter(pk=waiting.pk).update(created_at=long_ago)
    assert part(client, "mail")["state"] == "behind"
    Message.objects.filter(pk=waiting.pk).update(failed_at=timezone.now())
    assert part(client, "mail")["state"] == "works"


def test_a_model_whose_revision_is_withdrawn_is_not_offered_and_no_address_is_told(bench, store, client):
    report(store, bench)
    pool = Pool.objects.proper().get(model=bench.open_model)
    page = client.get("/status/").content.decode() + client.get("/api/v1/status").content.decode()
    assert not [one.url for one in pool.backends.all() if one.url in page]
    pool.model.revisions.update(state="withdrawn", withdrawn_at=timezone.now(), withdrawn_reason="Wrong weights.")
    assert [one["model"] for one in seen(client)["models"]] == [GATED]


def test_it_is_looked_at_once_in_a_while(bench, store, client, monkeypatch):
    seen(client)
    looked = []
    monkeypatch.setattr(overview, "states", lambda: looked.append(1) or [])
    client.get("/api/v1/status")
    assert looked == []
