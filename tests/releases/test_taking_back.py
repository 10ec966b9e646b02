"""An import that was a mistake is taken back by the lab's managers, while nothing of it is published; afterwards it stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.audit.models import Entry as AuditEntry
from portal.errors import Conflict, NotAllowed, NotFound
from portal.people.models import User
from releases import actions as releases_actions
from releases import chronicles
from releases.chronicles import records
from releases.curve_models import CurveBlock, Recording
from releases.curves.actions import import_curves, take_back_curves
from releases.evaluation_models import Score
from releases.evaluations import actions as evaluations
from releases.logbook import actions, taking_back
from releases.logbook_models import Entry, Logbook, Run
from releases.models import Model, Revision
from tests.portal import world
from tests.portal.world import browser
from tests.releases.conftest import Publish
from tests.releases.evaluation_files import OLD
from tests.releases.test_curve_import import lines, restarted
from tests.releases.test_evaluations import read

pytestmark = pytest.mark.django_db
CHRONICLE = "### 2022-03-11 10:00\n\nLaunch\n\n### 2022-03-12 10:00\n\nRestart\n"


@pytest.fixture
def model(lyceum: world.World, publish: Publish) -> Model:
    return publish(lyceum, "heron-1m")


@pytest.fixture
def book(lyceum: world.World, model: Model) -> Logbook:
    return actions.open_logbook(subject=model, by=lyceum.manager)


@pytest.fixture
def draft(lyceum: world.World, publish: Publish) -> Revision:
    found = publish(lyceum, "gosling-1m", publish=False).tip
    assert found
    return found


def imported(book: Logbook, by: User, text: str = CHRONICLE) -> actions.Imported:
    return actions.import_entries(logbook=book, parsed=chronicles.read(text, name="c.md"), name="c.md", by=by)


def noted(event: str) -> list[dict[str, Any]]:
    return [entry.data for entry in AuditEntry.objects.filter(event=event)]


def named(book: Logbook) -> set[str]:
    return set(book.runs.values_list("name", flat=True))


def declared(book: Logbook, by: User, *rows: dict[str, Any], runs: list[dict[str, Any]]) -> actions.Imported:
    parsed = records.of_rows(list(rows), name="l.json", runs=runs)
    return actions.import_entries(logbook=book, parsed=parsed, name="l.json", by=by)


RUNS = [{"name": "1"}, {"name": "2", "kind": "fork", "parent": "1"}, {"name": "3", "kind": "fork", "parent": "2"}]


def test_runs_that_an_import_only_declared_go_with_it_and_those_that_others_tell_of_stay(
    lyceum: world.World, book: Logbook
) -> None:
    told = declared(
        book,
        lyceum.manager,
        {"id": "2022-03-11", "ts_utc": "2022-03-11T10:00:00Z", "text": "Launch", "run": "1"},
        runs=RUNS,
    )
    assert named(book) == {"1", "2", "3"}
    assert told.at
    later = declared(
        book,
        lyceum.manager,
        {"id": "2022-03-12", "ts_utc": "2022-03-12T10:00:00Z", "text": "Restart", "run": "2"},
        runs=[],
    )
    taking_back.take_back_entries(logbook=book, at=told.at, by=lyceum.manager)
    assert named(book) == {"1", "2"}, "one of which an entry tells, and the one that it went on from"
    assert later.at
    taking_back.take_back_entries(logbook=book, at=later.at, by=lyceum.manager)
    assert named(book) == set()


def test_runs_that_an_import_declared_stay_when_what_came_later_is_taken_back(
    lyceum: world.World, book: Logbook
) -> None:
    told = declared(
        book,
        lyceum.manager,
        {"id": "2022-03-11", "ts_utc": "2022-03-11T10:00:00Z", "text": "Launch", "run": "1"},
        runs=RUNS,
    )
    later = declared(
        book,
        lyceum.manager,
        {"id": "2022-03-12", "ts_utc": "2022-03-12T10:00:00Z", "text": "Restart", "run": "3"},
        runs=[],
    )
    assert told.at
    assert later.at
    taking_back.take_back_entries(logbook=book, at=later.at, by=lyceum.manager)
    assert named(book) == {"1", "2", "3"}
    taking_back.take_back_entries(logbook=book, at=told.at, by=lyceum.manager)
    assert named(book) == set()


def test_entries_that_came_together_go_together_and_their_numbers_are_given_to_no_other(
    lyceum: world.World, book: Logbook
) -> None:
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "By hand"})
    told = imported(book, lyceum.manager)
    assert (told.added, book.entries.count()) == (2, 3)
    page = browser(lyceum.manager)
    html = page.get("/lyceum/heron-1m/logbook/edit").content.decode()
    assert "2 entries, numbers 2 to 3" in html
    assert told.at
    pressed = {"verb": "take_back", "at": told.at.isoformat()}
    asked = page.post("/lyceum/heron-1m/logbook/edit", pressed).content.decode()
    assert "2 entries are deleted." in asked
    assert book.entries.count() == 3, "asked once, before it cannot be undone"
    answer = page.post("/lyceum/heron-1m/logbook/edit", pressed | {"sure": "1"}, follow=True)
    assert "2 entries were taken back." in answer.content.decode()
    assert list(book.entries.values_list("title", flat=True)) == ["By hand"]
    assert noted("logbook.taken_back")[0]["entries"] == "2-3"
    again = imported(book, lyceum.manager)
    assert again.added == 2, "what was taken back may come again"
    assert sorted(book.entries.values_list("order", flat=True)) == [1, 4, 5]


def listed(rows: Any, count: int, **changes: Any) -> None:
    """So many copies of a row, each of an import of its own, the last of them the oldest, straight into the table."""
    one = rows.get()
    made = []
    for n in range(1, count + 1):
        copy = type(one)(**{field.attname: getattr(one, field.attname) for field in one._meta.concrete_fields})
        copy.pk = None
        for name, change in changes.items():
            setattr(copy, name, change(one, n))
        made.append(copy)
    type(one).objects.bulk_create(made)
    world.counted()


@pytest.mark.parametrize("count", world.CROWDS)
def test_the_oldest_of_many_imports_into_a_logbook_is_found_and_asked_about_as_the_newest_is(
    lyceum: world.World, book: Logbook, count: int, django_assert_max_num_queries: Any
) -> None:
    imported(book, lyceum.manager, "### 2022-03-11 10:00\n\nLaunch\n")
    listed(
        book.entries.exclude(digest=""),
        count,
        order=lambda one, n: one.order + n,
        ref=lambda _one, n: f"r{n}",
        digest=lambda one, n: f"{n:05}{one.digest[5:]}",
        created_at=lambda one, n: one.created_at - timedelta(seconds=n),
    )
    oldest, page = book.entries.latest("order"), browser(lyceum.manager)
    with django_assert_max_num_queries(40):
        first = page.get("/lyceum/heron-1m/logbook/edit").content.decode()
    assert first.count('value="take_back"') == 50
    last = page.get("/lyceum/heron-1m/logbook/edit", {"imports": "9999"}).content.decode()
    pressed = {"verb": "take_back", "at": oldest.created_at.isoformat()}
    assert pressed["at"].replace("+", "&#x2B;") in last or pressed["at"] in last
    assert "1 entry is deleted." in page.post("/lyceum/heron-1m/logbook/edit", pressed).content.decode()
    assert book.entries.filter(pk=oldest.pk).exists(), "asked once, before it cannot be undone"
    page.post("/lyceum/heron-1m/logbook/edit", pressed | {"sure": "1"})
    assert not book.entries.filter(pk=oldest.pk).exists()


@pytest.mark.parametrize("count", world.CROWDS)
def test_the_oldest_of_many_imports_of_scores_is_found_and_asked_about_as_the_newest_is(
    lyceum: world.World, draft: Revision, count: int, django_assert_max_num_queries: Any
) -> None:
    evaluations.import_scores(revision=draft, rows=read(OLD)[:1], by=lyceum.manager)
    listed(
        Score.objects.filter(revision=draft),
        count,
        task=lambda _one, n: f"task-{n}",
        identity=lambda one, n: f"{n:05}{one.identity[5:]}",
        entered_at=lambda one, n: one.entered_at - timedelta(seconds=n),
    )
    oldest, page, url = (
        Score.objects.earliest("entered_at"),
        browser(lyceum.manager),
        "/lyceum/gosling-1m/evaluations/import",
    )
    with django_assert_max_num_queries(40):
        assert page.get(url).content.decode().count('value="take_back"') == 50
    at = oldest.entered_at.isoformat()
    last = page.get(url, {"imports": "9999"}).content.decode()
    assert at.replace("+", "&#x2B;") in last or at in last
    said = {"verb": "take_back", "commit": draft.commit, "at": at}
    assert "1 score is deleted." in page.post(url, said).content.decode()
    assert Score.objects.filter(pk=oldest.pk).exists(), "asked once, before it cannot be undone"
    page.post(url, said | {"sure": "1"})
    assert not Score.objects.filter(pk=oldest.pk).exists()


@pytest.mark.parametrize("count", world.CROWDS)
def test_every_file_of_many_curves_can_be_taken_back_from_a_page_and_is_asked_about(
    lyceum: world.World, book: Logbook, count: int, django_assert_max_num_queries: Any
) -> None:
    import_curves(logbook=book, run="r", file=lines(restarted()), source="m.jsonl", by=lyceum.manager)
    listed(
        book.recordings,
        count,
        source=lambda _one, n: f"f{n}.jsonl",
        sha256=lambda one, n: f"{n:05x}{one.sha256[5:]}",
    )
    page, url = browser(lyceum.manager), "/lyceum/heron-1m/curves"
    with django_assert_max_num_queries(60):
        assert page.get(url).content.decode().count("Take back<span") == 50
    last = book.recordings.latest("pk")
    assert last.sha256 in page.get(url, {"recordings": "9999"}).content.decode()
    asked = page.post(f"{url}/take-back", {"sha256": last.sha256}).content.decode()
    assert "all of their points are deleted" in asked
    assert book.recordings.filter(pk=last.pk).exists()


def test_what_a_later_entry_speaks_of_stays(lyceum: world.World, book: Logbook) -> None:
    told = imported(book, lyceum.manager)
    assert told.at
    first = Entry.objects.get(logbook=book, order=1)
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "It was the second try"}, annotates=first)
    answer = browser(lyceum.manager).post(
        "/lyceum/heron-1m/logbook/edit", {"verb": "take_back", "at": told.at.isoformat(), "sure": "1"}
    )
    assert answer.status_code == 422
    assert "Entry 3, which came later" in answer.content.decode()
    assert book.entries.count() == 3


def test_who_writes_of_an_entry_that_was_taken_back_meanwhile_is_told_that_it_is_gone(
    lyceum: world.World, book: Logbook
) -> None:
    told = imported(book, lyceum.manager)
    assert told.at
    read = Entry.objects.get(logbook=book, order=1)
    taking_back.take_back_entries(logbook=book, at=told.at, by=lyceum.manager)
    said = {"title": "It was the second try"}
    with pytest.raises(NotFound):
        actions.edit_entry(entry=read, by=lyceum.manager, said=said)
    for beside in ({"annotates": read}, {"supersedes": read}):
        with pytest.raises(NotFound):
            actions.add_entry(logbook=book, by=lyceum.manager, said=said, **beside)
    assert not book.entries.exists()


def test_a_frozen_logbook_keeps_its_entries_and_its_curves(lyceum: world.World, book: Logbook) -> None:
    told = imported(book, lyceum.manager)
    kept = import_curves(logbook=book, run="r", file=lines(restarted()), source="m.jsonl", by=lyceum.manager)
    releases_actions.freeze_logbook(logbook=book, by=lyceum.manager)
    assert told.at
    with pytest.raises(Conflict, match="erratum"):
        taking_back.take_back_entries(logbook=book, at=told.at, by=lyceum.manager)
    with pytest.raises(Conflict, match="erratum"):
        take_back_curves(logbook=book, sha256=kept.sha256, by=lyceum.manager)
    assert book.entries.count() == 2
    assert Recording.objects.filter(pk=kept.pk).exists()


def test_curves_go_with_their_points_and_the_runs_that_nothing_else_tells_of(
    lyceum: world.World, book: Logbook, tmp_path: Path
) -> None:
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Begun", "run": "r"})
    kept = import_curves(logbook=book, run="r", file=lines(restarted()), source="m.jsonl", by=lyceum.manager)
    assert set(book.runs.values_list("name", flat=True)) == {"r", "r.1", "r.2"}
    assert "take-back" not in Client().get("/lyceum/heron-1m/curves").content.decode()
    page = browser(lyceum.manager)
    assert 'action="/lyceum/heron-1m/curves/take-back"' in page.get("/lyceum/heron-1m/curves").content.decode()
    asked = page.post("/lyceum/heron-1m/curves/take-back", {"sha256": kept.sha256}).content.decode()
    assert "all of their points are deleted" in asked
    assert book.recordings.filter(sha256=kept.sha256).exists()
    answer = page.post("/lyceum/heron-1m/curves/take-back", {"sha256": kept.sha256, "sure": "1"}, follow=True)
    assert "The curves of m.jsonl were taken back." in answer.content.decode()
    assert not CurveBlock.objects.exists()
    assert list(Run.objects.filter(logbook=book).values_list("name", flat=True)) == ["r"], "an entry tells of it"
    assert noted("curves.taken_back")[0]["sha256"] == kept.sha256
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(lines(restarted()).read())
    call_command("import_curves", str(file), "lyceum/heron-1m", "--run", "r")
    assert CurveBlock.objects.exists()
    call_command("import_curves", str(file), "lyceum/heron-1m", "--take-back")
    assert not CurveBlock.objects.exists()
    with pytest.raises(CommandError, match="no curves of that file"):
        call_command("import_curves", str(file), "lyceum/heron-1m", "--take-back")


def test_scores_go_from_a_draft_whole_and_those_of_another_import_stay(lyceum: world.World, draft: Revision) -> None:
    rows = read(OLD)
    first = evaluations.import_scores(revision=draft, rows=rows[:1], by=lyceum.manager)
    second = evaluations.import_scores(revision=draft, rows=rows, by=lyceum.manager)
    assert second.added == len(rows) - 1
    assert second.at
    assert first.at
    page = browser(lyceum.manager)
    assert draft.commit[:8] in page.get("/lyceum/gosling-1m/evaluations/import").content.decode()
    said = {"verb": "take_back", "commit": draft.commit, "at": second.at.isoformat()}
    assert "are deleted" in page.post("/lyceum/gosling-1m/evaluations/import", said).content.decode()
    assert Score.objects.filter(revision=draft).count() == len(rows)
    said["sure"] = "1"
    answer = page.post("/lyceum/gosling-1m/evaluations/import", said, follow=True)
    assert "taken back" in answer.content.decode()
    assert Score.objects.filter(revision=draft).count() == 1
    assert noted("scores.taken_back")[0]["removed"] == len(rows) - 1
    assert page.post("/lyceum/gosling-1m/evaluations/import", said).status_code == 409, "it is gone already"


def test_scores_of_what_is_published_stay_to_be_read(lyceum: world.World, model: Model) -> None:
    revision = Revision.objects.get(model=model)
    told = evaluations.import_scores(revision=revision, rows=read(OLD), by=lyceum.manager)
    assert told.at
    with pytest.raises(Conflict, match="published"):
        evaluations.take_back_scores(revision=revision, at=told.at, by=lyceum.manager)
    assert Score.objects.filter(revision=revision).count() == told.added
    assert "take_back" not in browser(lyceum.manager).get("/lyceum/heron-1m/evaluations/import").content.decode()


def test_nobody_but_the_labs_managers_takes_anything_back(
    lyceum: world.World, harbour: world.World, book: Logbook, draft: Revision
) -> None:
    told = imported(book, lyceum.manager)
    kept = import_curves(logbook=book, run="r", file=lines(restarted()), source="m.jsonl", by=lyceum.manager)
    scores = evaluations.import_scores(revision=draft, rows=read(OLD), by=lyceum.manager)
    assert told.at
    assert scores.at
    for person in (lyceum.reviewers[0], harbour.manager):
        with pytest.raises(NotAllowed):
            taking_back.take_back_entries(logbook=book, at=told.at, by=person)
        with pytest.raises(NotAllowed):
            take_back_curves(logbook=book, sha256=kept.sha256, by=person)
        with pytest.raises(NotAllowed):
            evaluations.take_back_scores(revision=draft, at=scores.at, by=person)
    with pytest.raises(NotFound):
        taking_back.take_back_entries(logbook=book, at=told.at + timedelta(seconds=1), by=lyceum.manager)
    assert book.entries.count() == 2


def test_programs_take_back_what_their_import_was_called(lyceum: world.World, book: Logbook, draft: Revision) -> None:
    client = browser(lyceum.manager)

    def post(path: str, said: dict[str, Any]) -> Any:
        return client.post(f"/api/v1/{path}", said, content_type="application/json")

    at = post(f"logbooks/{book.pk}/import", {"name": "c.md", "text": CHRONICLE}).json()["at"]
    assert post(f"logbooks/{book.pk}/import/take-back", {"at": at}).json() == {"removed": 2}
    assert post(f"logbooks/{book.pk}/import/take-back", {"at": at}).status_code == 404
    kept = import_curves(logbook=book, run="r", file=lines(restarted()), source="m.jsonl", by=lyceum.manager)
    gone = post(f"logbooks/{book.pk}/curves/take-back", {"sha256": kept.sha256}).json()
    assert gone == {"source": "m.jsonl", "sha256": kept.sha256}
    results = {
        "revision": draft.commit,
        "document": {"results": {"copa": {"acc": 0.84}}},
        "ran_by": "Us",
        "harness": "h",
    }
    told = post("models/lyceum/gosling-1m/evaluations", results).json()
    undone = post("models/lyceum/gosling-1m/evaluations/take-back", {"revision": draft.commit, "at": told["at"]})
    assert undone.json() == {"removed": told["added"]}
