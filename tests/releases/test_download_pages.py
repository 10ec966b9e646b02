"""Pages and operations of downloads: who sees what, with nothing, one row and many, and days that stand out."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access.models import Grant
from portal.outbox.models import Message
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases import actions, tally, tasks
from releases.download_models import DailyCap, Surge
from releases.models import Model
from tests.portal import world
from tests.portal.world import browser
from tests.releases.conftest import Publish
from tests.releases.ledgers import fill, give

pytestmark = pytest.mark.django_db
GB = 1_000_000_000


@pytest.fixture
def model(lyceum: world.World, publish: Publish) -> Model:
    return publish(lyceum, "one", gate=lyceum.gate)


@pytest.fixture(params=[200, pytest.param(10_000, marks=pytest.mark.drill)])
def many(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def seen(person: User, path: str) -> str:
    answer = browser(person).get(path)
    assert answer.status_code == 200, answer.content[:300]
    return " ".join(answer.content.decode().split())


def queries(person: User, path: str) -> int:
    client = browser(person)
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_a_manager_reads_by_whom_a_reviewer_does_not_and_another_lab_nothing(
    lyceum: world.World, harbour: world.World, mara: User, model: Model
) -> None:
    path = f"/{model.full_name}/downloads"
    assert "Nothing given out in this time" in seen(lyceum.manager, path)
    give(model, user_id=str(mara.pk), client="curl/8.5.0", wanted="bytes=0-99")
    give(model, client="Mozilla/5.0")
    tally.draw()
    page = seen(lyceum.manager, path)
    for word in ("Mara Lindqvist", "without an account", "curl", "browser", "model.safetensors", "1,100"):
        assert word in page, word
    page = seen(lyceum.reviewers[0], path)
    assert "curl" in page
    assert "Mara Lindqvist" not in page
    for stranger in (harbour.manager, mara):
        for where in (path, f"{path}.csv", "/downloads/"):
            status = browser(stranger).get(where).status_code
            assert status == (200 if where == "/downloads/" and stranger == harbour.manager else 404), where
    assert model.full_name in seen(lyceum.manager, "/downloads/")
    assert model.full_name not in seen(harbour.manager, "/downloads/")


def test_the_tables_are_files_too(lyceum: world.World, mara: User, model: Model) -> None:
    give(model, user_id=str(mara.pk), path="=1+1.safetensors")
    tally.draw()
    csv = b"".join(browser(lyceum.manager).get(f"/{model.full_name}/downloads.csv?by=file")).decode()
    assert csv.splitlines() == ["file,links,bytes", "'=1+1.safetensors,1,1000"]
    assert browser(lyceum.manager).get(f"/{model.full_name}/downloads.csv?by=nonsense").status_code == 404
    assert browser(lyceum.reviewers[0]).get(f"/{model.full_name}/downloads.csv?by=person").status_code == 404


def test_query_counts_are_flat(lyceum: world.World, model: Model, mara: User, many: int) -> None:
    paths = {f"/{model.full_name}/downloads": lyceum.manager, "/downloads/": lyceum.manager, "/me/downloads/": mara}
    give(model, user_id=str(mara.pk))
    tally.draw()
    few = {path: queries(person, path) for path, person in paths.items()}
    fill(model, many, [str(mara.pk), str(lyceum.manager.pk), ""], now=timezone.now())
    tally.draw()
    world.counted()
    assert {path: queries(person, path) for path, person in paths.items()} == few


def test_my_downloads_are_mine_alone(mara: User, stranger: User, model: Model) -> None:
    assert "Nothing downloaded yet" in seen(mara, "/me/downloads/")
    give(model, user_id=str(mara.pk), wanted="bytes=0-99", at=timezone.now() - timedelta(minutes=10))
    give(model, user_id=str(mara.pk), path="config.json")
    page = seen(mara, "/me/downloads/")
    for word in ("2 links", "config.json", "of 1,000", "opens", "over"):
        assert word in page, word
    assert "Nothing downloaded yet" in seen(stranger, "/me/downloads/")
    lines = b"".join(browser(mara).get("/me/downloads.csv")).decode().splitlines()
    assert len(lines) == 3
    assert ",bytes=0-99,100," in lines[1]


def test_the_cap_is_set_and_shown_where_one_looks(
    lyceum: world.World, harbour: world.World, mara: User, model: Model
) -> None:
    grant = lyceum.granted(mara)
    manager, at = browser(lyceum.manager), f"/grants/{grant.pk}"
    gate = f"/gates/lyceum/{lyceum.gate.slug}"
    assert manager.post(f"{gate}/cap/", {"gigabytes": "2.5"}).status_code == 302
    give(model, user_id=str(mara.pk), grant_id=str(grant.pk), size=GB)
    assert "2.5 GB" in seen(lyceum.manager, f"{gate}/").replace("\xa0", " ")
    own = (grant.get_absolute_url(), f"/{model.full_name}/why", "/me/downloads/")
    for person, where in ((lyceum.manager, f"{at}/"), *((mara, path) for path in own)):
        shown = seen(person, where).replace("\xa0", " ")
        assert "2.5 GB" in shown, where
        assert "1.0 GB in the last 24 hours" in shown, where
    wrong = manager.post(f"{at}/cap/", {"gigabytes": "-1"})
    assert wrong.status_code == 422
    assert "above 0, or leave it empty" in wrong.content.decode()
    assert manager.post(f"{at}/cap/", {"gigabytes": ""}).status_code == 302
    assert "set for this grant alone" in seen(lyceum.manager, f"{at}/")
    assert manager.post(f"{at}/cap/", {"gigabytes": "", "verb": "as_gate"}).status_code == 302
    assert DailyCap.objects.get().gate == lyceum.gate
    for person, status in ((harbour.manager, 404), (mara, 404), (lyceum.reviewers[0], 403)):
        assert browser(person).post(f"{at}/cap/", {"gigabytes": "1"}).status_code == status
        assert browser(person).post(f"{gate}/cap/", {"gigabytes": "1"}).status_code == status


_count = itertools.count(1)


def api(person: User, scope: Scope, path: str, body: Any = None) -> Any:
    kind = Kind.DOWNLOAD if scope == Scope.DOWNLOAD else Kind.SERVICE
    _token, secret = tokens.issue(by=person, kind=kind, scopes={scope}, label=f"program {next(_count)}")
    headers = {"Authorization": f"Bearer {secret}"}
    if body is None:
        return Client().get(f"/api/v1/{path}", headers=headers)
    return Client().put(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def test_programs_read_sums_and_set_caps(lyceum: world.World, harbour: world.World, mara: User, model: Model) -> None:
    grant: Grant = lyceum.granted(mara)
    give(model, user_id=str(mara.pk), grant_id=str(grant.pk), wanted="bytes=1-10")
    tally.draw()
    sums = f"models/lyceum/{model.name}/downloads?by=person"
    assert api(lyceum.manager, Scope.MANAGE, sums).json()["results"] == [{"key": str(mara.pk), "links": 1, "bytes": 10}]
    assert api(harbour.manager, Scope.MANAGE, sums).status_code == 404
    mine = api(mara, Scope.DOWNLOAD, "downloads").json()
    assert (mine["count"], mine["results"][0]["bytes"], mine["results"][0]["size"]) == (1, 10, 1000)
    told = api(lyceum.manager, Scope.MANAGE, f"grants/{grant.pk}/cap", {"bytes": 500})
    assert told.json() == {"bytes": 500, "taken": 10}
    assert api(harbour.manager, Scope.MANAGE, f"grants/{grant.pk}/cap", {"bytes": 1}).status_code == 404
    why = api(mara, Scope.DOWNLOAD, f"why?model={model.full_name}").json()
    assert (why["allowed"], why["daily_cap"]) == (True, {"bytes": 500, "taken": 10})
    gate = f"gates/lyceum/{lyceum.gate.slug}/cap"
    assert api(lyceum.manager, Scope.MANAGE, gate, {"bytes": 7}).json() == {"bytes": 7}
    assert api(lyceum.manager, Scope.MANAGE, gate, {"bytes": 0}).status_code == 400
    assert api(lyceum.manager, Scope.MANAGE, gate).json() == {"bytes": 7}


def test_a_day_that_stands_out_is_told_once_to_the_labs_managers(
    lyceum: world.World, harbour: world.World, mara: User, stranger: User, model: Model
) -> None:
    now = timezone.now()
    yesterday = now.date() - timedelta(days=1)
    for days, size in ((5, 10), (4, 12), (3, 300), (1, 150)):
        give(model, user_id=str(mara.pk), at=now - timedelta(days=days), size=size * GB)
    give(model, user_id=str(stranger.pk), at=now - timedelta(days=1), size=99 * GB)
    tally.draw()
    before = Message.objects.count()
    assert actions.tell_surges(yesterday) == 1
    assert actions.tell_surges(yesterday) == 0, "once"
    surge = Surge.objects.get()
    assert (surge.user_id, surge.bytes, surge.usual) == (str(mara.pk), 150 * GB, 12 * GB)
    told = [
        each.payload["to"]
        for each in Message.objects.order_by("id")[before:]
        if each.payload.get("template") == "surge"
    ]
    assert told == [lyceum.manager.email]
    assert "Mara Lindqvist" in seen(lyceum.manager, "/downloads/")
    assert "Mara Lindqvist" not in seen(lyceum.reviewers[0], "/downloads/")
    assert "1 day of downloads stood out" in seen(lyceum.manager, "/review/")
    assert "stood out" not in seen(lyceum.reviewers[0], "/review/")
    assert "Mara Lindqvist" not in seen(harbour.manager, "/downloads/")


def test_a_night_that_was_missed_is_made_up_for_within_a_week_and_nothing_is_told_twice(
    lyceum: world.World, model: Model
) -> None:
    now = timezone.now()
    for days in (8, 7, 2, 1):
        person = world.person(f"Somebody {days} days ago")
        give(model, user_id=str(person.pk), at=now - timedelta(days=days), size=150 * GB)
    assert tasks.tell_surges() == 3
    told = set(Surge.objects.values_list("day", flat=True))
    assert told == {(now - timedelta(days=days)).date() for days in (7, 2, 1)}, "what is older is no news"
    assert tasks.tell_surges() == 0


def test_a_person_who_cannot_be_told_of_keeps_no_other_from_it(
    lyceum: world.World, mara: User, stranger: User, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (mara, stranger):
        give(model, user_id=str(person.pk), at=timezone.now() - timedelta(days=1), size=150 * GB)
    named = tally.names_of

    def odd(user_ids: list[str]) -> dict[str, str]:
        if user_ids == [str(mara.pk)]:
            raise ValueError("a person like no other")
        return named(user_ids)

    monkeypatch.setattr(tally, "names_of", odd)
    assert tasks.tell_surges() == 1
    assert Surge.objects.get().user_id == str(stranger.pk), "and the other is tried again the next night"


def test_an_ordinary_large_day_is_nobodys_business(lyceum: world.World, mara: User, model: Model) -> None:
    now = timezone.now()
    for days in (4, 3, 2, 1):
        give(model, user_id=str(mara.pk), at=now - timedelta(days=days), size=400 * GB)
    tally.draw()
    assert actions.tell_surges(now.date() - timedelta(days=1)) == 0
