"""A logbook as its readers see it, and as its lab's release managers write it."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from portal.people.models import User
from releases import actions as releases_actions
from releases import chronicles, entries
from releases.logbook import actions, reference
from releases.logbook.forms import UPLOAD_MAX, ImportForm
from releases.logbook_models import Entry, Logbook
from releases.models import Model
from tests.portal import world
from tests.portal.world import browser

PAGE = "/lyceum/heron-1m/logbook"
CROWDS = [300, pytest.param(10_000, marks=pytest.mark.drill)]


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    family = releases_actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    made: Model = publish(lyceum, "heron-1m", family=family)
    return made


@pytest.fixture
def book(lyceum: world.World, model: Model) -> Logbook:
    return actions.open_logbook(subject=model, by=lyceum.manager)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def filled(book: Logbook, n: int) -> None:
    kinds = ("launch", "restart", "loss_scale")
    Entry.objects.bulk_create([
        Entry(logbook=book, order=i + 1, title=f"Entry {i}", kind=kinds[i % 3], step=i * 10, text="The run **goes** on.")
        for i in range(n)
    ])  # fmt: skip
    world.counted()


def test_anybody_reads_it_and_an_empty_one_says_what_would_be_here(model: Model, client: Client) -> None:
    assert "No logbook is published" in text_of(client, PAGE)
    assert "No logbook is published" in text_of(client, "/families/lyceum/heron/logbook/")


def test_entries_are_found_by_kind_run_severity_step_and_words(
    lyceum: world.World, book: Logbook, client: Client
) -> None:
    for said in (
        {"title": "Minimum reached", "kind": "loss_scale", "severity": "critical", "run": "12.34", "step": 36_900},
        {"title": "Restart by hand", "kind": "restart", "run": "12.35", "step": 37_000, "text": "After the *loss scale* fell."},
        {"title": "Launch", "kind": "launch", "raw_stamp": "11-05, before lunch"},
    ):  # fmt: skip
        actions.add_entry(logbook=book, by=lyceum.manager, said=said)
    for query, found in (
        ("", {"Minimum reached", "Restart by hand", "Launch"}),
        ("?kind=loss_scale", {"Minimum reached"}),
        ("?q=loss+scale", {"Minimum reached", "Restart by hand"}),
        ("?run=12.35", {"Restart by hand"}),
        ("?severity=critical", {"Minimum reached"}),
        ("?from=36950&to=40000", {"Restart by hand"}),
        ("?q=nothing+such", set()),
        ("?kind=weather&sort=sideways&from=-1&page=x", {"Minimum reached", "Restart by hand", "Launch"}),
    ):
        for page in (PAGE, "/families/lyceum/heron/logbook/"):
            html = text_of(client, page + query)
            titles = {"Minimum reached", "Restart by hand", "Launch"}
            assert {title for title in titles if f">{title}</a>" in html} == found, (page, query)
    assert "as written: 11-05, before lunch" in text_of(client, f"{PAGE}/3")


def test_each_entry_has_its_own_page_and_its_neighbours(lyceum: world.World, book: Logbook, client: Client) -> None:
    filled(book, 3)
    html = text_of(client, f"{PAGE}/2")
    assert f'rel="prev" href="{PAGE}/1"' in html
    assert f'rel="next" href="{PAGE}/3"' in html
    assert "<strong>goes</strong>" in html
    assert client.get(f"{PAGE}/4").status_code == 404
    assert "Correct by an erratum" not in html
    assert "Annotate" in text_of(browser(lyceum.manager), f"{PAGE}/2")
    assert "Annotate" not in text_of(browser(lyceum.reviewers[0]), f"{PAGE}/2")


@pytest.mark.parametrize("n", CROWDS)
def test_the_page_asks_as_often_for_many_entries_as_for_one(book: Logbook, client: Client, n: int) -> None:
    filled(book, 1)
    with CaptureQueriesContext(
        connection,
    ) as one:
        text_of(client, PAGE)
    Entry.objects.all().delete()
    filled(book, n)
    with CaptureQueriesContext(connection) as many:
        html = text_of(client, f"{PAGE}?page=2")
    assert len(many) <= len(one) + 1
    assert html.count("<article") == 50


def test_what_the_text_carries_cannot_harm_its_reader(lyceum: world.World, book: Logbook, client: Client) -> None:
    text = "<script>alert(1)</script>\n\n![plot](https://elsewhere.example/x.png) [x](javascript:alert(1))"
    said = {
        "title": "<b>bold</b>",
        "text": text,
        "source": "https://example.org/a <img src=x>",
        "after": {"<i>": "<u>"},
    }
    actions.add_entry(logbook=book, by=lyceum.manager, said=said)
    html = text_of(client, PAGE)
    for bad in ("<script>alert", "<b>bold", "<img", 'href="javascript', "<u>", "elsewhere.example"):
        assert bad not in html, bad
    assert "<em>plot</em>" in html


def test_a_draft_models_logbook_is_its_labs_alone(
    lyceum: world.World, harbour: world.World, publish: Any, client: Client
) -> None:
    publish(lyceum, "secret", publish=False)
    draft = actions.open_logbook(subject=Model.objects.get(name="secret"), by=lyceum.manager)
    actions.add_entry(logbook=draft, by=lyceum.manager, said={"title": "Launch"})
    pages = ("logbook", "logbook/1", "logbook.json", "logbook.atom", "logbook/edit", "logbook/1/edit")
    for page in pages:
        assert client.get(f"/lyceum/secret/{page}").status_code in {302, 404}
        assert browser(harbour.manager).get(f"/lyceum/secret/{page}").status_code == 404
        assert browser(lyceum.manager).get(f"/lyceum/secret/{page}").status_code == 200


def test_exports_and_feed_hold_what_the_page_shows(lyceum: world.World, book: Logbook, client: Client) -> None:
    said = {"title": "=1+1", "kind": "launch", "raw_stamp": "2022-01-06 12:46 PST", "run": "1", "after": {"lr": 0.1}}
    first = actions.add_entry(logbook=book, by=lyceum.manager, said=said)
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Not so", "kind": "bug"}, supersedes=first)

    def got(shape: str, query: str = "") -> str:
        answer = client.get(f"{PAGE}.{shape}{query}")
        return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]

    told = json.loads(got("json"))
    assert [row["id"] for row in told["entries"]] == ["entry-1", "entry-2"]
    assert told["entries"][1]["supersedes"] == "entry-1"
    assert told["runs"] == [{"name": "1", "kind": "start"}]
    assert [row["id"] for row in json.loads(got("json", "?kind=bug"))["entries"]] == ["entry-2"]
    assert "'=1+1" in got("csv")
    assert "### 2022-01-06 12:46 PST 1 =1+1" in got("md")
    feed = ElementTree.fromstring(client.get(f"{PAGE}.atom").content)
    assert [e.findtext("{*}title") for e in feed.findall("{*}entry")] == ["Not so", "=1+1"]


def test_what_is_exported_as_json_can_be_imported_whole(
    lyceum: world.World, book: Logbook, publish: Any, client: Client
) -> None:
    rows = [
        {"id": "a", "ts_raw": "about noon", "type": "kill", "text": "Killed.", "run": "r", "segment": 0},
        {"id": "b", "ts_utc": "2026-01-01T00:00:00Z", "type": "resume", "text": "On.", "run": "r", "segment": 1, "after": {"step": 5}},
        {"id": "c", "text": "Same host.", "annotates": "a"},
    ]  # fmt: skip
    parsed = chronicles.read(json.dumps(rows), name="x.json")
    actions.import_entries(logbook=book, parsed=parsed, name="x.json", by=lyceum.manager)
    told = b"".join(client.get(f"{PAGE}.json").streaming_content).decode()  # type: ignore[attr-defined]
    data = json.loads(told)
    back = chronicles.read(json.dumps({"runs": data["runs"], "entries": data["entries"]}), name="y.json")
    assert not back.problems
    assert [draft.digest for draft in back.entries] == [draft.digest for draft in parsed.entries]
    again = actions.import_entries(logbook=book, parsed=back, name="y.json", by=lyceum.manager)
    assert (again.added, again.known) == (0, 3)


def test_what_came_from_another_logbook_and_what_was_written_here_leave_under_ids_of_their_own(
    lyceum: world.World, book: Logbook, client: Client
) -> None:
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Here first"})
    rows = [{"id": "entry-1", "text": "There first."}, {"id": "x", "text": "There later.", "annotates": "entry-1"}]
    parsed = chronicles.read(json.dumps(rows), name="x.json")
    actions.import_entries(logbook=book, parsed=parsed, name="x.json", by=lyceum.manager)
    told = b"".join(client.get(f"{PAGE}.json").streaming_content).decode()  # type: ignore[attr-defined]
    back = chronicles.read(told[told.index("{") :], name="y.json", kind="json")
    assert [(draft.ref, draft.annotates) for draft in back.entries] == [
        ("entry-1", ""),
        ("entry-2", ""),
        ("x", "entry-2"),
    ]


def test_the_logbooks_of_a_family_leave_together_under_ids_of_their_own(
    lyceum: world.World, book: Logbook, publish: Any, client: Client
) -> None:
    family = book.model.family  # type: ignore[union-attr]
    other = actions.open_logbook(subject=publish(lyceum, "heron-2m", family=family), by=lyceum.manager)
    own = actions.open_logbook(subject=family, by=lyceum.manager)  # type: ignore[arg-type]
    for each in (book, other, own):
        first = actions.add_entry(logbook=each, by=lyceum.manager, said={"title": "Begun"})
        actions.add_entry(logbook=each, by=lyceum.manager, said={"title": "As planned"}, annotates=first)
    told = b"".join(client.get("/families/lyceum/heron/logbook.json").streaming_content).decode()  # type: ignore[attr-defined]
    rows = json.loads(told)["entries"]
    back = chronicles.read(json.dumps(rows), name="y.json")
    assert not back.problems
    assert {draft.ref: draft.annotates for draft in back.entries if draft.annotates} == {
        "heron-1m/entry-2": "heron-1m/entry-1", "heron-2m/entry-2": "heron-2m/entry-1", "entry-2": "entry-1",
    }  # fmt: skip


def test_runs_of_one_name_leave_a_family_as_the_different_runs_that_they_are(
    lyceum: world.World, book: Logbook, publish: Any, client: Client
) -> None:
    """Two models were trained in runs of one name, which were one run once the file was imported; a third name stays."""
    family = book.model.family  # type: ignore[union-attr]
    other = actions.open_logbook(subject=publish(lyceum, "heron-2m", family=family), by=lyceum.manager)
    for each, run in ((book, "only"), (book, "1"), (other, "1")):
        actions.add_entry(logbook=each, by=lyceum.manager, said={"title": "Begun", "run": run})
    address = "/families/lyceum/heron/logbook"
    told = b"".join(client.get(f"{address}.json").streaming_content).decode()  # type: ignore[attr-defined]
    back = chronicles.read(told, name="y.json")
    assert not back.problems
    assert sorted(run.name for run in back.runs) == ["heron-1m/1", "heron-2m/1", "only"]
    assert sorted(draft.run for draft in back.entries) == ["heron-1m/1", "heron-2m/1", "only"]
    for kind in ("csv", "md"):
        text = b"".join(client.get(f"{address}.{kind}").streaming_content).decode()  # type: ignore[attr-defined]
        assert "heron-2m/1" in text
    alone = b"".join(client.get(f"{PAGE}.json").streaming_content).decode()  # type: ignore[attr-defined]
    assert {row["run"] for row in json.loads(alone)["entries"]} == {"only", "1"}


def test_what_is_wrong_with_a_line_is_said_on_the_page_in_the_readers_language(
    lyceum: world.World, book: Logbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    lines = {
        '{"text": 5}': "[Line 1: [text must be a text.]]",
        '{"text": "a", "annotates": "gone"}': "[Line 1: [There is no earlier entry with the id gone.]]",
        "{": "[Line 1: [This is not JSON: ",
    }
    for text, said in lines.items():
        sent = {"verb": "import", "name": "x.jsonl", "text": text}
        page = browser(lyceum.manager).post(f"{PAGE}/edit", sent)
        assert (page.status_code, said in page.content.decode()) == (422, True), said


def test_a_manager_reads_a_file_first_then_imports_it_and_writes_beside_it(lyceum: world.World, book: Logbook) -> None:
    client = browser(lyceum.manager)
    file = b"### 2022-03-11\n\nLaunch\n\n### 2022-04-12 First spike\n\nSee.\n"

    def upload(verb: str, data: bytes) -> Any:
        return client.post(f"{PAGE}/edit", {"verb": verb, "file": SimpleUploadedFile("chronicles.md", data)})

    seen = upload("check", file)
    assert seen.status_code == 200
    assert "2 entries were read." in seen.content.decode()
    assert "### 2022-04-12 First spike" in seen.content.decode()  # the text stays, to be imported as it is
    assert not book.entries.exists()
    assert upload("import", file).status_code == 302
    assert list(book.entries.values_list("kind", flat=True)) == ["launch", "divergence"]
    wrong = client.post(f"{PAGE}/edit", {"verb": "import", "name": "x.jsonl", "text": '{"text": "Fine."}\n{"text": 5}'})
    assert wrong.status_code == 422
    assert "Line 2: text must be a text." in wrong.content.decode()
    assert book.entries.count() == 2
    for bad in (b"", b"\xff\xfe"):
        assert upload("import", bad).status_code == 422
    large = upload("import", b"### 2022-03-11\n" + b"x" * (4 << 20))
    assert large.status_code == 422
    assert "The file is larger than 4 MiB." in large.content.decode()
    added = client.post(f"{PAGE}/edit", {"verb": "add", "title": "Cut", "kind": "hyperparameter", "severity": "info", "before": "lr = 0.1", "after": "lr = 0.01\nby = hand"})  # fmt: skip
    assert added.status_code == 302
    assert book.entries.get(title="Cut").after == {"lr": 0.01, "by": "hand"}
    kept = client.post(f"{PAGE}/edit", {"verb": "add", "title": "Kept words", "kind": "note", "severity": "info", "before": "nonsense"})  # fmt: skip
    assert kept.status_code == 422
    assert 'value="Kept words"' in kept.content.decode()


def test_entries_are_edited_annotated_and_once_frozen_corrected(lyceum: world.World, book: Logbook) -> None:
    client = browser(lyceum.manager)
    first = actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Launch"})
    form = {"title": "Launch of run 1", "kind": "launch", "severity": "info"}
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "edit"}).status_code == 302
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "annotate", "title": "On one host"}).status_code == 302
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "edit", "title": ""}).status_code == 422
    unsure = client.post(f"{PAGE}/edit", {"verb": "freeze"})
    assert (unsure.status_code, "Tick the box" in unsure.content.decode()) == (422, True)
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "edit"}).status_code == 302, "it is open still"
    assert client.post(f"{PAGE}/edit", {"verb": "freeze", "sure": "1"}).status_code == 302
    assert "This logbook is frozen" in text_of(client, f"{PAGE}/edit")
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "edit", "title": "Other"}).status_code == 302
    assert list(book.entries.values_list("title", "erratum", "supersedes", "annotates")) == [
        ("Launch of run 1", False, None, None),
        ("On one host", False, None, first.pk),
        ("Other", True, first.pk, None),
    ]
    assert client.post(f"{PAGE}/1/edit", form | {"verb": "correct"}).status_code == 409
    assert "Corrected by entry 3" in text_of(client, PAGE)


def test_only_its_release_managers_reach_the_editor(
    lyceum: world.World, harbour: world.World, book: Logbook, mara: User, client: Client
) -> None:
    actions.add_entry(logbook=book, by=lyceum.manager, said={"title": "Launch"})
    for page in (f"{PAGE}/edit", f"{PAGE}/1/edit", "/families/lyceum/heron/logbook/edit/"):
        assert client.get(page).status_code == 302
        for person in (mara, harbour.manager, lyceum.reviewers[0]):
            assert browser(person).get(page).status_code == 404
            assert browser(person).post(page, {"verb": "freeze"}).status_code == 404


def test_the_reference_family_shows_its_logbook_and_the_counts_that_disagree(client: Client, db: None) -> None:
    reference.seed(entries.seed("opt", by=None), "opt")
    html = text_of(client, "/families/meta/opt/")
    for said in ("30 entries", "About 90 restarts", "More than 40 restarts", "At least 35 manual restarts", "looser than the sources"):  # fmt: skip
        assert said in html, said
    html = text_of(client, "/families/meta/opt/logbook/?q=loss+scale")
    assert "reaches its minimum" in html
    assert "The provider&#x27;s staff delete the whole cluster" not in html


def test_the_page_promises_as_large_a_file_as_it_takes():
    assert f"at most {UPLOAD_MAX >> 20} MiB." in str(ImportForm().fields["file"].help_text)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "1e999"), ("[" * 20_000, "[" * 4_000), ('"a\\u0000b"', "a\ufffdb"), ("0.5", 0.5)],
    ids=["nan", "infinity", "too large", "too deep", "nul", "a number"],
)  # fmt: skip
def test_a_parameter_that_json_does_not_have_is_kept_as_it_was_written(
    lyceum: world.World, book: Logbook, said: str, kept: object
) -> None:
    said = said[:4_000]
    manager = browser(lyceum.manager)
    form = {"verb": "add", "title": "It diverged", "kind": "note", "severity": "info", "before": f"loss = {said}"}
    assert manager.post(f"{PAGE}/edit", form).status_code == 302
    assert book.entries.get().before == {"loss": kept}
    assert text_of(manager, PAGE)


def test_tables_too_deep_for_a_page_are_refused_beside_their_field(lyceum: world.World, book: Logbook) -> None:
    form = {"verb": "add", "title": "T", "kind": "note", "severity": "info", "after": f"a = {'[' * 50}{']' * 50}"}
    answer = browser(lyceum.manager).post(f"{PAGE}/edit", form)
    assert answer.status_code == 422
    assert "50 tables and lists in one another" in answer.content.decode()
    assert not book.entries.exists()


def test_a_time_before_all_years_is_kept_as_it_was_written(lyceum: world.World, book: Logbook) -> None:
    stamp = "0001-01-01T00:00:00+14:00"
    form = {"verb": "add", "title": "T", "kind": "note", "severity": "info", "raw_stamp": stamp}
    assert browser(lyceum.manager).post(f"{PAGE}/edit", form).status_code == 302
    told = book.entries.get()
    assert (told.raw_stamp, told.at, told.confidence) == (stamp, None, "unknown")
