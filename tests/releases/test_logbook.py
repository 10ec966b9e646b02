"""A logbook is written and imported by its lab while it is open; what is frozen is corrected by errata alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.audit.models import Entry as TrailEntry
from portal.errors import Conflict, Invalid, NotAllowed
from portal.outbox import delivery
from portal.people.models import User
from releases import actions as releases_actions
from releases import chronicles, entries
from releases.ingest import ingest
from releases.logbook import actions, reference
from releases.logbook_models import Entry, Logbook
from releases.models import Family, Model
from tests.portal import world

LINES: list[dict[str, Any]] = [
    {"id": "r-1", "ts_utc": "2026-11-24T00:02:25Z", "run": "r", "step": 0, "type": "start", "text": "Run begins.", "segment": 0},
    {"id": "r-2", "ts_utc": "2026-11-24T00:03:51Z", "run": "r", "step": 240, "type": "kill", "severity": "warning", "text": "Killed."},
    {"id": "r-3", "run": "r", "step": 200, "type": "resume", "text": "Goes on.", "segment": 1, "after": {"step": 200}},
]  # fmt: skip


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def model(lyceum: world.World) -> Model:
    family = releases_actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    return releases_actions.open_model(lab=lyceum.lab, name="heron-1m", by=lyceum.manager, family=family)


@pytest.fixture
def book(lyceum: world.World, model: Model) -> Logbook:
    return actions.open_logbook(subject=model, by=lyceum.manager)


def take(book: Logbook, rows: list[dict[str, Any]], by: User | None, **options: Any) -> actions.Imported:
    parsed = chronicles.read(jsonl(rows), name="logbook.jsonl")
    taken = actions.import_entries(logbook=book, parsed=parsed, name="logbook.jsonl", by=by, **options)
    assert (taken.at is None) == (taken.added == taken.corrected == 0)
    return replace(taken, at=None)


def events(book: Logbook) -> list[str]:
    return list(TrailEntry.objects.filter(event__startswith="logbook.").order_by("pk").values_list("event", flat=True))


def test_a_manager_imports_a_file_twice_and_it_is_there_once(lyceum: world.World, book: Logbook) -> None:
    assert take(book, LINES, lyceum.manager) == actions.Imported(3, 0, 0)
    assert take(book, LINES, lyceum.manager) == actions.Imported(0, 0, 3)
    assert list(book.entries.values_list("order", "ref", "run__name", "kind")) == [
        (1, "r-1", "r", "launch"),
        (2, "r-2", "r", "incident"),
        (3, "r-3", "r.1", "restart"),
    ]
    second = book.runs.get(name="r.1")
    assert (second.kind, second.parent, second.parent_step) == ("resume", book.runs.get(name="r"), 200)
    assert events(book) == ["logbook.opened", "logbook.imported"]


def test_a_record_that_an_earlier_version_read_otherwise_corrects_nothing_when_it_comes_again(
    lyceum: world.World, book: Logbook
) -> None:
    """What `resume` meant to it is in the digests that it kept, and a frozen logbook would take an erratum for it."""
    take(book, LINES, lyceum.manager)
    kept = book.entries.get(ref="r-3")
    assert kept.digest == "f104eb6a86efdea60111da5a290dae99aacc0c9b1901a6a829ffa7cd0c43009b"
    Entry.objects.filter(pk=kept.pk).update(kind="checkpoint")
    assert take(book, LINES, lyceum.manager) == actions.Imported(0, 0, 3)
    assert take(book, [LINES[2] | {"type": "restart"}], lyceum.manager) == actions.Imported(1, 1, 0), (
        "the source says so"
    )


def test_a_source_that_says_something_else_supersedes_and_both_are_kept(lyceum: world.World, book: Logbook) -> None:
    take(book, LINES, lyceum.manager)
    changed = [LINES[0], LINES[1] | {"text": "Killed by the supervisor."}, LINES[2]]
    assert take(book, changed, lyceum.manager) == actions.Imported(1, 1, 2)
    assert take(book, changed, lyceum.manager) == actions.Imported(0, 0, 3)
    old, new = book.entries.filter(ref="r-2")
    assert (old.text, new.text, new.supersedes, new.order) == ("Killed.", "Killed by the supervisor.", old, 4)
    again = [LINES[0], LINES[1] | {"text": "Killed, as planned."}, LINES[2]]
    take(book, again, lyceum.manager)
    assert book.entries.get(text="Killed, as planned.").supersedes == new


def test_links_lead_to_entries_and_a_line_that_leads_nowhere_stops_the_import(
    lyceum: world.World, book: Logbook
) -> None:
    note = {"id": "n-1", "text": "The same host as last week.", "annotates": "r-2"}
    lost = {"id": "n-2", "text": "See there.", "annotates": "r-9"}
    with pytest.raises(Invalid) as refused:
        take(book, [*LINES, note, lost], lyceum.manager)
    assert refused.value.fields["text"] == ["Line 5: There is no earlier entry with the id r-9."]
    assert not book.entries.exists()
    take(book, [*LINES, note], lyceum.manager)
    assert book.entries.get(ref="n-1").annotates == book.entries.get(ref="r-2")


def test_only_managers_of_the_lab_write(
    lyceum: world.World, harbour: world.World, model: Model, book: Logbook, mara: User
) -> None:
    entry = actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Launch"})
    for person in (lyceum.reviewers[0], harbour.manager, mara):
        for attempt in (
            lambda by: actions.open_logbook(subject=model, by=by),
            lambda by: actions.add_entry(logbook=book, by=by, said={"title": "Mine"}),
            lambda by: actions.edit_entry(entry=entry, by=by, said={"title": "Mine"}),
            lambda by: take(book, LINES, by),
            lambda by: releases_actions.freeze_logbook(logbook=book, by=by),
        ):
            with pytest.raises(NotAllowed):
                attempt(person)
    assert [e.title for e in book.entries.all()] == ["Launch"]


def test_an_entry_is_edited_while_open_and_corrected_once_frozen(lyceum: world.World, book: Logbook) -> None:
    said = {"raw_stamp": "2022-01-06 12:46 PST", "kind": "loss_scale", "title": "Minimum reached", "run": "12.34"}
    entry = actions.add_entry(logbook=book, by=lyceum.manager, said=said)
    assert (entry.confidence, entry.at.isoformat() if entry.at else "") == ("minute", "2022-01-06T20:46:00+00:00")
    edited = actions.edit_entry(entry=entry, by=lyceum.manager, said=said | {"step": 37000})
    assert (edited.step, edited.run.name if edited.run else "") == (37000, "12.34")
    kept = TrailEntry.objects.get(event="logbook.entry_edited")
    assert kept.data["before"] == {"step": None}
    with pytest.raises(Conflict):
        actions.edit_entry(entry=frozen(lyceum, entry), by=lyceum.manager, said=said)
    for said_of in ({}, {"annotates": entry}):
        with pytest.raises(Conflict):
            actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Late"}, **said_of)
    erratum = actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Not so"}, supersedes=entry)
    assert (erratum.erratum, erratum.supersedes) == (True, entry)
    with pytest.raises(Conflict):
        actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Again"}, supersedes=entry)
    assert list(book.entries.standing()) == [erratum]


def frozen(lyceum: world.World, entry: Entry) -> Entry:
    releases_actions.freeze_logbook(logbook=entry.logbook, by=lyceum.manager)
    with pytest.raises(Conflict):
        releases_actions.freeze_logbook(logbook=entry.logbook, by=lyceum.manager)
    return Entry.objects.get(pk=entry.pk)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "x", "kind": "weather"}, "kind"),
        ({"title": "x", "severity": "loud"}, "severity"),
        ({"title": "x", "step": -1}, "step"),
        ({"title": "x", "confidence": "day"}, "at"),
        ({"title": "x", "after": {"x": "y" * 20_001}}, "after"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_of_its_field(
    lyceum: world.World, book: Logbook, said: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        actions.add_entry(logbook=book, by=lyceum.manager, said=said)
    assert list(refused.value.fields) == [field]
    assert not book.entries.exists()


def delivered() -> None:
    while delivery.deliver_due(slow=True) + delivery.deliver_due():
        pass


def test_a_published_record_becomes_the_frozen_logbook_and_a_later_one_adds_to_it(
    lyceum: world.World, publish: Any, tmp_path: Path
) -> None:
    model = publish(lyceum, "kept", **{"records/logbook.jsonl": jsonl(LINES).encode()})
    delivered()
    (book,) = model.logbooks.all()
    assert (book.state, book.frozen_by, book.entries.count()) == ("frozen", None, 3)
    folder = tmp_path / "lyceum" / "kept"
    stopped: dict[str, Any] = {"id": "r-4", "text": "Stopped."}
    longer = [LINES[0] | {"text": "Run begins, on one thread."}, *LINES[1:], stopped]
    (folder / "records" / "logbook.jsonl").write_text(jsonl(longer))
    ingest(folder, model=model, by=lyceum.manager, publish=True)
    delivered()
    delivered()
    assert list(book.entries.values_list("order", "ref", "erratum", "supersedes__order")) == [
        (1, "r-1", False, None), (2, "r-2", False, None), (3, "r-3", False, None), (4, "r-1", True, 1),
        (5, "r-4", False, None),
    ]  # fmt: skip


def test_a_logbook_that_was_open_is_frozen_with_the_revision(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "later", publish=False)
    book = actions.open_logbook(subject=model, by=lyceum.manager)
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Launch"})
    assert not Entry.objects.visible_to(None).exists()
    assert Entry.objects.visible_to(lyceum.manager).exists()
    releases_actions.publish(revision=model.revisions.get(), by=lyceum.manager)
    book.refresh_from_db()
    assert book.state == "frozen"
    assert Entry.objects.visible_to(None).exists()


def test_a_record_that_cannot_be_read_is_left_alone_and_publishing_goes_on(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "odd", **{"records/logbook.jsonl": b'{"text": "Fine."}\n{broken\n'})
    delivered()
    assert model.main
    (notice,) = [notice for notice in model.main.notices if notice["rule"] == "logbook-unreadable"]
    assert "Line 2" in notice["message"]
    assert not model.logbooks.exists()


def test_the_reference_family_has_thirty_events_each_with_its_source(db: None) -> None:
    family = entries.seed("opt", by=None)
    assert reference.seed(family, "opt").added == 30
    assert reference.seed(family, "opt") == actions.Imported(0, 0, 30)
    book = family.logbooks.get()
    assert book.state == "frozen"
    assert all("https://" in entry.source for entry in book.entries.all())
    assert book.entries.saying("loss scale").count() >= 2
    assert len(entries.sourced(family, "restarts")) == 4
    assert any("loss functions" in row["text"] for row in entries.sourced(family, "logbook_remarks"))


def test_the_operator_imports_a_chronicle_by_command(lyceum: world.World, model: Model, tmp_path: Path) -> None:
    file = tmp_path / "chronicles.md"
    file.write_text("### 2022-03-11\n\nLaunch\n\n### 2022-04-12 First spike\n\nSee the log.\n")
    call_command("import_logbook", file, family="lyceum/heron", verbosity=0)
    call_command("import_logbook", file, family="lyceum/heron", verbosity=0)
    book = Family.objects.get(slug="heron").logbooks.get(model=None)
    assert list(book.entries.values_list("kind", flat=True)) == ["launch", "divergence"]
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "Fine."}\n{"text": 5}\n')
    with pytest.raises(CommandError, match="Line 2: text must be a text"):
        call_command("import_logbook", broken, model="lyceum/heron-1m")
    with pytest.raises(CommandError, match="no lyceum/egret"):
        call_command("import_logbook", file, model="lyceum/egret")


def test_an_operator_is_told_what_is_wrong_with_a_file_and_begins_no_empty_logbook(
    lyceum: world.World, model: Model, tmp_path: Path
) -> None:
    good = tmp_path / "good.md"
    good.write_text("### 11-30 Launch\n")
    for name, content, said in (
        ("latin.md", "### 2022-03-11 Größe".encode("latin-1"), "latin.md is not UTF-8 text. Save it as UTF-8"),
        ("none.jsonl", b"", "There is no entry in .*none.jsonl"),
        ("table.csv", b"ts,title\n2022-01-01,Launch\n", "This is a table. A logbook is read from Markdown, JSON"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CommandError, match=said):
            call_command("import_logbook", tmp_path / name, model=model.full_name)
    for options, said in (
        (
            {"model": model.full_name, "file": tmp_path / "gone.md"},
            "gone.md cannot be read: No such file or directory.",
        ),
        ({"model": model.name, "file": good}, "Name the lab too: --model LAB/"),
        ({"model": model.full_name, "file": good, "year": 99_999}, "--year is a year from 1990 to 2100"),
    ):
        file = options.pop("file")
        with pytest.raises(CommandError, match=said):
            call_command("import_logbook", file, **options)
    assert not model.logbooks.exists()
