"""What a reader finds by words, and what nobody finds before it is public."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from releases import actions, entries
from releases.ingest import ingest
from releases.logbook_models import Entry, Kind, Logbook
from releases.models import Model
from releases.search import finding, indexing
from releases.search_models import Findable
from tests.portal import world
from tests.releases.folders import model_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> world.World:
    return world.build("lyceum")


def named(words: str) -> list[str]:
    return [found.subject.full_name for found in finding.releases(words, 1).object_list]


def published(made: world.World, folder: Path, name: str, card: str) -> Model:
    model = actions.open_model(lab=made.lab, name=name, by=made.manager, summary="A small model of weather reports.")
    source = model_folder(folder / name)
    (source / "README.md").write_text(f"---\nlicense: mit\n---\n# About\n\n{card}\n")
    ingest(source, model=model, by=made.manager, publish=True)
    return Model.objects.get(pk=model.pk)


def test_a_reader_finds_a_model_by_its_name_its_summary_and_its_card(made: world.World, tmp_path: Path) -> None:
    published(made, tmp_path, "gale-1m", "It reads the **barometers** of lighthouses.")
    for words in (
        "gale-1m",
        "weather report",
        "barometer lighthouse",
        '"barometers of lighthouses"',
        "mit",
        "lyceum -snow",
    ):
        assert named(words) == ["lyceum/gale-1m"], words
    for words in ("barometer snow", '"lighthouses of barometers"', "about -lyceum", "the", "-", "''"):
        assert named(words) == [], words


def test_an_entry_that_is_taken_back_while_one_searches_is_not_shown(made: world.World) -> None:
    book = Logbook.objects.create(
        family=actions.open_family(lab=made.lab, slug="gale", title="Gale", by=None), title="L"
    )
    kept, gone = (Entry.objects.create(logbook=book, order=n, title=f"A storm, {n}", kind=Kind.NOTE) for n in (1, 2))
    asked = 0

    def take_back(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal asked
        asked += 'FROM "releases_entry"' in sql
        if asked == 2 and gone.pk:
            pk, gone.pk = gone.pk, None
            Entry.objects.filter(pk=pk).delete()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(take_back):
        found = finding.entries("storm", 1)
    assert [told.entry for told in found.page.object_list] == [kept]


def test_a_name_comes_before_a_card(made: world.World, tmp_path: Path) -> None:
    published(made, tmp_path, "other", "Made like gale.")
    published(made, tmp_path, "gale", "A model.")
    assert named("gale") == ["lyceum/gale", "lyceum/other"]


def test_nobody_finds_what_is_not_published_or_no_longer(made: world.World, tmp_path: Path) -> None:
    draft = actions.open_model(lab=made.lab, name="secret-storm", by=made.manager)
    ingest(model_folder(tmp_path / "draft"), model=draft, by=made.manager)
    assert named("secret-storm") == []
    model = published(made, tmp_path, "gale", "It reads barometers.")
    assert named("barometers") == ["lyceum/gale"]
    actions.withdraw(revision=model.main, by=made.manager, reason="Wrong weights.")
    assert named("barometers") == []


def test_a_new_name_is_found_and_the_old_one_is_not(made: world.World, tmp_path: Path) -> None:
    model = published(made, tmp_path, "gale", "A model.")
    actions.rename_model(model=model, lab=made.lab, name="breeze", by=made.manager)
    assert (named("breeze"), named("gale")) == (["lyceum/breeze"], [])


def test_a_family_held_elsewhere_is_found_by_what_is_known_of_it() -> None:
    entries.seed("opt", by=None)
    assert "meta/opt" in named("PushShift Reddit")


def test_what_search_does_not_know_of_is_found_the_next_day(made: world.World, tmp_path: Path) -> None:
    published(made, tmp_path, "gale", "It reads barometers.")
    Findable.objects.all().delete()
    assert named("barometers") == []
    assert indexing.heal() == 1
    assert named("barometers") == ["lyceum/gale"]
    assert indexing.heal() == 0


@pytest.fixture
def told(made: world.World) -> list[Logbook]:
    """Two families, each with a public logbook, and a model that is not published, with one too."""
    books = []
    for slug in ("gale", "breeze"):
        family = actions.open_family(lab=made.lab, slug=slug, title=slug, by=made.manager, hosted=False)
        book = Logbook.objects.create(family=family, title=f"Logbook of {slug}")
        Entry.objects.create(
            logbook=book, order=1, kind=Kind.LOSS_SCALE, title="Minimum reached", text="The loss scale fell to 2⁻¹⁰."
        )
        Entry.objects.create(
            logbook=book, order=2, kind=Kind.HARDWARE, title="A host is lost", text="No loss was seen."
        )
        books.append(book)
    hidden = actions.open_model(lab=made.lab, name="hidden", by=made.manager)
    book = Logbook.objects.create(model=hidden, title="Logbook of hidden")
    Entry.objects.create(logbook=book, order=1, kind=Kind.LOSS_SCALE, title="Loss scale", text="The loss scale rose.")
    return books


def test_one_question_finds_events_across_families(told: list[Logbook]) -> None:
    found = finding.entries('"loss scale"', 1)
    assert {row.entry.logbook for row in found.page.object_list} == set(told)
    assert all(row.entry.kind == Kind.LOSS_SCALE for row in found.page.object_list)
    assert "<mark>loss</mark> <mark>scale</mark>" in found.page.object_list[0].snippet
    assert dict(found.logbooks) == dict.fromkeys(told, 1)
    assert finding.entries("loss", 1, logbook=told[0].pk).weighed == 2
    assert finding.entries("loss", 1, kind=Kind.HARDWARE).weighed == 2


def test_what_an_entry_says_cannot_harm_its_reader(told: list[Logbook], client: Client) -> None:
    evil = "<script>alert(1)</script> \x02 loss spikes </mark><img src=x>"
    Entry.objects.create(logbook=told[0], order=3, title="<b>spikes</b>", text=evil)
    page = client.get("/search/", {"q": "spikes"}).content.decode()
    assert "&lt;b&gt;spikes" in page
    assert "<img src=x" not in page
    assert "<b>spikes" not in page
    assert "alert(1)</script>" not in page


@pytest.mark.parametrize("rows", [0, 1, *world.CROWDS])
def test_the_page_asks_as_much_of_many_entries_as_of_one(
    made: world.World, client: Client, rows: int, django_assert_max_num_queries
) -> None:
    if rows:
        family = actions.open_family(lab=made.lab, slug="gale", title="gale", by=made.manager, hosted=False)
        book = Logbook.objects.create(family=family, title="Logbook of gale")
        Entry.objects.bulk_create(
            Entry(logbook=book, order=n, kind=Kind.RESTART, title=f"Restart {n}", text="The loss rose.")
            for n in range(1, rows + 1)
        )
        world.counted()
    with django_assert_max_num_queries(12):
        page = client.get("/search/", {"q": "loss", "entries": "3"})
    shown = page.content.decode()
    assert page.status_code == 200
    assert ("More than 1" in shown) == (rows > finding.WEIGHED)
    assert ("No entry of a logbook answers" in shown) == (rows == 0)


@pytest.mark.parametrize(
    "asked",
    [
        "q=%00",
        "q=" + "a" * 5000,
        "q=loss&kind=nothing&logbook=x",
        "q=loss&logbook=99999999999999999999&page=-1&entries=x",
        "q=%22%20%7C%26%21",
    ],
    ids=["nul", "long", "unknown filters", "numbers past everything", "operators"],
)
def test_nonsense_is_answered_calmly(told: list[Logbook], client: Client, asked: str) -> None:
    assert client.get(f"/search/?{asked}").status_code == 200


def test_a_program_searches_without_a_token(told: list[Logbook], client: Client) -> None:
    found = client.get("/api/v1/search", {"q": "loss scale"}).json()
    assert (found["releases_count"], found["entries_count"]) == (0, 2)
    assert {row["logbook"] for row in found["entries"]} == {"Logbook of gale", "Logbook of breeze"}
    wrong = client.get("/api/v1/search", {"q": " "})
    assert wrong.status_code == 400
    assert "q" in wrong.json()["fields"]
