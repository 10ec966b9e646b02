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
from inference.models import Backend, Pool
from portal.announcements import actions as announcements
from portal.announcements.models import Announcement, Kind
from portal.mail.sending import TOPIC
from portal.outbox.models import Message
from portal.switches.models import Switch, flip
from releases.models import Model, Revision
from tests.inference.bench import GATED, OPEN
from tests.portal import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh():
    caches["process"].clear()
    yield
    caches["process"].clear()


def seen(client):
    """The API's two answers, looked at afresh: the portal's, and under `models` the first page of the models."""
    caches["process"].clear()
    return client.get("/api/v1/status").json() | {"models": client.get("/api/v1/status/models").json()["results"]}


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
    told = ("/status/", "/api/v1/status", "/api/v1/status/models")
    page = "".join(client.get(path).content.decode() for path in told)
    assert not [one.url for one in pool.backends.all() if one.url in page]
    pool.model.revisions.update(state="withdrawn", withdrawn_at=timezone.now(), withdrawn_reason="Wrong weights.")
    assert [one["model"] for one in seen(client)["models"]] == [GATED]


def test_it_is_looked_at_once_in_a_while(bench, store, client, monkeypatch):
    seen(client)
    looked = []
    monkeypatch.setattr(overview, "states", lambda _pools: looked.append(1) or [])
    client.get("/api/v1/status")
    assert looked == []


def crowd(bench, count):
    """So many served models more, straight into the tables; the last of them has no server that answers."""
    commit, now = "ab" * 20, timezone.now()
    models = Model.objects.bulk_create(
        Model(lab=bench.world.lab, name=f"crowd-{n:05}", opened_at=now) for n in range(count)
    )
    Revision.objects.bulk_create(
        Revision(
            model=model, commit=commit, tree=commit, author="A", email="a@lyceum.example", message="First",
            authored_at=now, state="published", checked_at=now, published_at=now,
        )
        for model in models
    )  # fmt: skip
    pools = Pool.objects.bulk_create(
        Pool(lab=bench.world.lab, name=m.name, model=m, commit=commit, engine_model=m.name, context=1024)
        for m in models
    )
    Backend.objects.bulk_create(
        Backend(pool=pool, name="one", url=f"http://127.0.0.1:{20_000 + n}") for n, pool in enumerate(pools)
    )
    world.counted()


@pytest.mark.parametrize("count", world.CROWDS)
def test_ten_thousand_models_are_pages_of_fifty_in_as_many_queries_and_what_fails_is_on_the_first(
    bench, store, client, count, django_assert_max_num_queries, monkeypatch
):
    crowd(bench, count)
    report(store, bench)
    told = store.hgetall(contract.REPORTS)
    last = Backend.objects.get(pool__name=f"crowd-{count - 1:05}").url
    seen_by = Report.from_json(told["gateway"] if "gateway" in told else told[b"gateway"])
    seen_by.backends[last] = Seen("ejected", 0, 0, 0, 0.0)
    store.hset(contract.REPORTS, "gateway", seen_by.to_json())
    asked = []
    send = redis.connection.AbstractConnection.send_packed_command
    monkeypatch.setattr(
        redis.connection.AbstractConnection,
        "send_packed_command",
        lambda *given, **named: (asked.append(1), send(*given, **named))[1],
    )
    caches["process"].clear()
    with django_assert_max_num_queries(20):
        first = client.get("/status/").content.decode()
    assert len(asked) < 20, "the limits store is not asked model by model either"
    assert f"crowd-{count - 1:05}" in first, "what does not work comes first"
    assert first.count("1 of 1</td>") + first.count("0 of 1</td>") == 50
    assert 'href="?models=2#models"' in first
    pages = -(-(count + 2) // 50)
    with django_assert_max_num_queries(20):
        end = client.get("/status/", {"models": pages}).content.decode()
    assert OPEN in end
    assert f"page {pages:,} of {pages:,}" in end
    assert client.get("/status/", {"models": "x", "announcements": "-1"}).status_code == 200
    listed = client.get("/api/v1/status/models").json()
    assert (listed["count"], len(listed["results"])) == (count + 2, 50)
    assert listed["results"][0]["model"] == f"lyceum/crowd-{count - 1:05}"
    assert listed["next"].endswith("/api/v1/status/models?page=2")
    after = client.get("/api/v1/status/models", {"page": pages}).json()
    assert OPEN in [one["model"] for one in after["results"]]
    assert client.get("/api/v1/status/models", {"page": pages + 1}).status_code == 404
    said = client.get("/api/v1/status")
    assert {one["name"] for one in said.json()["parts"]} == {*Switch.values, "mail"}
    assert (said.json()["well"], len(said.content) < 1_000) == (False, True), (
        "the doors are said at once, without the models"
    )


@pytest.mark.parametrize("count", world.CROWDS)
def test_open_announcements_are_pages_and_a_disturbance_on_a_later_one_is_known(
    bench, store, client, count, django_assert_max_num_queries
):
    report(store, bench)
    hour, now = timedelta(hours=1), timezone.now()
    Announcement.objects.bulk_create(
        Announcement(kind=Kind.NEWS, title=f"News {n:05}", starts_at=now - hour * (n + 1)) for n in range(count)
    )
    Announcement.objects.create(kind=Kind.DISTURBANCE, title="Slow", starts_at=now - hour * (count + 1))
    world.counted()
    for page in ("/status/", "/announcements/"):
        with django_assert_max_num_queries(20):
            first = client.get(page).content.decode()
        assert first.count("<h2><a") == 10, page
        assert 'href="?open=2#open"' in first
    status = client.get("/status/").content.decode()
    assert ("News 00000" in status, "Slow" in status) == (True, False), "the latest of what goes on is first"
    assert "a disturbance is known" in status
    assert "Slow" in client.get("/status/", {"open": "9999"}).content.decode()
    assert "Slow" in client.get("/announcements/", {"open": "9999"}).content.decode()
