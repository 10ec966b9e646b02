"""The publisher's desk: what was committed is checked by a worker, seen, published and withdrawn, by those who may."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from portal.audit.models import Entry
from portal.celery import app
from portal.errors import NotAllowed
from portal.outbox.models import Message
from portal.people.templatetags import weighbridge
from releases import actions, tasks
from releases.actions import checking
from releases.lifecycle import State
from releases.models import Model, Revision
from releases.storage import store
from tests.portal import world
from tests.portal.world import browser


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes each task at once."""
    monkeypatch.setattr(app.conf, "task_always_eager", True)


def desk(revision: Revision) -> str:
    model = revision.model
    return reverse("releases:desk", args=[model.lab.slug, model.name, revision.commit])


@pytest.fixture
def draft(lyceum: world.World, publish: Any) -> Revision:
    """One public revision, and a draft after it: one file changed, one new, one gone."""
    model: Model = publish(lyceum, "mine")
    files = dict(actions.files_of(model.main))
    files["notes.txt"] = actions.NewFile("notes.txt", *_taken(b"notes"), lfs=False)
    files["config.json"] = actions.NewFile("config.json", *_taken(b"{}"), lfs=False)
    del files["eval/results.json"]
    revision, _new = actions.commit(model=model, files=list(files.values()), by=lyceum.manager, message="Second")
    return revision


@contextmanager
def store_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No answer from the store."""

    def away(*_of: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store(), "size", away)
        yield


def _taken(content: bytes) -> tuple[int, str, str]:
    import io

    from releases import git
    from releases.storage import store

    sha256, size = store().put(io.BytesIO(content))
    return size, sha256, git.blob_id(content)


def test_a_model_is_not_called_open_before_anything_of_it_is_published(lyceum: world.World, draft: Revision) -> None:
    new = actions.open_model(lab=lyceum.lab, name="new", by=lyceum.manager, summary="A first draft.")
    files = [actions.NewFile("notes.txt", *_taken(b"notes"), lfs=False)]
    first, _new = actions.commit(model=new, files=files, by=lyceum.manager, message="First")
    manager, is_open = browser(lyceum.manager), weighbridge.state("ok", "Open", "open")
    pages = [manager.get(desk(revision)).content.decode() for revision in (first, draft)]
    assert [("not open yet" in page, is_open in page) for page in pages] == [(True, False), (False, True)]


def test_who_publishes_is_led_from_a_drafts_pages_to_where_it_is_done_and_a_reviewer_is_not(
    lyceum: world.World, draft: Revision
) -> None:
    files = f"/lyceum/mine/tree/{draft.commit}"
    led = f'<p><a href="{desk(draft)}">'
    assert f"{led}Check and publish it</a></p>" in browser(lyceum.manager).get(files).content.decode()
    actions.check(revision=draft, by=lyceum.manager)
    shown = browser(lyceum.manager).get(files).content.decode()
    assert f"It has no findings and can be published.</p>{led}" in shown
    assert led not in browser(lyceum.reviewers[0]).get(files).content.decode()
    assert led not in browser(lyceum.manager).get(desk(draft)).content.decode(), "the page leads not to itself"


def test_a_draft_is_checked_seen_and_published(
    lyceum: world.World, draft: Revision, django_capture_on_commit_callbacks: Any
) -> None:
    manager = browser(lyceum.manager)
    page = manager.get(desk(draft)).content.decode()
    assert "notes.txt" in page
    assert "eval/results.json" in page
    assert 'value="publish"' not in page, "not before it was checked"
    with django_capture_on_commit_callbacks(execute=True):
        assert manager.post(desk(draft), {"verb": "check"}).status_code == 302
    draft.refresh_from_db()
    assert (draft.state, draft.check_wanted_at, draft.check_done) == (State.CHECKED, None, draft.size)
    assert 'value="publish"' in manager.get(desk(draft)).content.decode()
    assert manager.post(desk(draft), {"verb": "publish"}).status_code == 302
    assert Model.objects.get(name="mine").main == draft
    assert manager.post(desk(draft), {"verb": "publish"}).status_code == 302, "twice is once"


@pytest.mark.parametrize("fault", ["the store is away", "who asked is staff no more"])
def test_a_check_that_broke_off_says_so_and_can_be_asked_for_again(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    by = lyceum.manager if fault == "the store is away" else world.person("Ivo Gone")

    actions.request_check(revision=draft, by=lyceum.manager)
    with store_away(monkeypatch), pytest.raises((ConnectionError, NotAllowed)):
        tasks.check_revision(draft.pk, str(by.pk))
    page = browser(lyceum.manager).get(desk(draft)).content.decode()
    assert "The check broke off" in page
    assert 'value="check"' in page
    assert 'value="publish"' not in page
    actions.request_check(revision=draft, by=lyceum.manager)
    assert Message.objects.filter(topic="revision.check", key=f"revision:{draft.pk}").count() == 2
    tasks.check_revision(draft.pk, str(lyceum.manager.pk))
    draft.refresh_from_db()
    assert (draft.state, draft.findings, draft.check_wanted_at) == (State.CHECKED, [], None)


def test_a_check_that_breaks_off_takes_nothing_from_a_revision_that_passed_one(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.check(revision=draft, by=lyceum.manager)
    actions.request_check(revision=Revision.objects.get(pk=draft.pk), by=lyceum.manager)
    with store_away(monkeypatch), pytest.raises(ConnectionError):
        tasks.check_revision(draft.pk, str(lyceum.manager.pk))
    draft.refresh_from_db()
    assert (draft.state, draft.findings, draft.check_wanted_at) == (State.CHECKED, [], None)
    assert draft.checked_at


def test_a_check_that_the_broker_forgot_can_be_asked_for_again_after_a_while(
    lyceum: world.World, draft: Revision
) -> None:
    actions.request_check(revision=draft, by=lyceum.manager)
    asked = Message.objects.filter(topic="revision.check")
    lately, long_ago = timezone.now() - timedelta(minutes=9), timezone.now() - timedelta(minutes=11)
    manager = browser(lyceum.manager)
    for since, shown, times in ((lately, False, 1), (long_ago, True, 2)):
        Revision.objects.filter(pk=draft.pk).update(check_wanted_at=since)
        assert ('value="check"' in manager.get(desk(draft)).content.decode()) is shown
        actions.request_check(revision=draft, by=lyceum.manager)
        assert asked.count() == times
    draft.refresh_from_db()
    assert not draft.check_is_silent
    tasks.check_revision(draft.pk, str(lyceum.manager.pk))
    draft.refresh_from_db()
    assert (draft.state, draft.check_wanted_at) == (State.CHECKED, None)


def test_a_check_that_the_broker_sends_again_is_not_carried_out_again(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so with every task that takes more than an hour: while it runs, and, in the queue, after it has ended."""
    read = []
    monkeypatch.setattr(checking, "check", lambda **_of: read.append(1))
    actions.request_check(revision=draft, by=lyceum.manager)
    kept = connection.settings_dict
    other = psycopg2.connect(dbname=kept["NAME"], user=kept["USER"], host=kept["HOST"], port=kept["PORT"] or None)
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"check {draft.pk}"])
        tasks.check_revision(draft.pk, str(lyceum.manager.pk))
        assert not read, "another worker is at it"
    tasks.check_revision(draft.pk, str(lyceum.manager.pk))
    assert read == [1]
    Revision.objects.filter(pk=draft.pk).update(check_wanted_at=None)
    tasks.check_revision(draft.pk, str(lyceum.manager.pk))
    assert read == [1], "nobody waits for it any more"


def test_a_check_that_reads_on_is_not_silent(lyceum: world.World, draft: Revision) -> None:
    actions.request_check(revision=draft, by=lyceum.manager)
    Revision.objects.filter(pk=draft.pk).update(check_wanted_at=timezone.now() - timedelta(minutes=11))
    (file, *_more) = draft.files.select_related("blob")
    progress = checking.Progress(draft)
    progress.inside(1)
    draft.refresh_from_db()
    assert (draft.check_done, draft.check_is_silent) == (1, False)
    Revision.objects.filter(pk=draft.pk).update(check_wanted_at=None)
    progress.past(file)
    draft.refresh_from_db()
    assert draft.check_wanted_at is None, "what is over does not begin again"


def test_while_it_is_being_checked_the_page_says_how_far(lyceum: world.World, draft: Revision) -> None:
    actions.request_check(revision=draft, by=lyceum.manager)
    actions.request_check(revision=draft, by=lyceum.manager)
    assert Message.objects.filter(topic="revision.check").count() == 1, "asked for once"
    page = browser(lyceum.manager).get(desk(draft)).content.decode()
    assert "being checked" in page
    assert 'value="check"' not in page
    told = checking.Progress(Revision.objects.get(pk=draft.pk))
    told.inside(1000)
    page = browser(lyceum.manager).get(desk(draft)).content.decode()
    assert "1,000 B of" in page.replace("\xa0", " "), "in the middle of its first file"
    assert f'<progress max="{draft.size}" value="1000" aria-label=' in page
    told.inside(2000)
    draft.refresh_from_db()
    assert draft.check_done == 1000, "not with every piece that is read"
    told.past(draft.files.get(path="LICENSE"))
    draft.refresh_from_db()
    assert draft.check_done == draft.files.get(path="LICENSE").size


def test_an_object_that_the_store_lost_is_a_finding_not_a_fault(lyceum: world.World, draft: Revision) -> None:
    store().delete(draft.files.get(path="notes.txt").sha256)
    checked = actions.check(revision=draft, by=lyceum.manager)
    assert [each["message"] for each in checked.findings] == ["The store does not hold notes.txt. Store it again."]


def test_findings_are_shown_and_nothing_is_published(
    lyceum: world.World, draft: Revision, django_capture_on_commit_callbacks: Any
) -> None:
    change = actions.Change(files=[actions.NewFile("run.pkl", *_taken(b"cos\nsystem\n"), lfs=False)])
    bad = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Third")
    manager = browser(lyceum.manager)
    with django_capture_on_commit_callbacks(execute=True):
        manager.post(desk(bad), {"verb": "check"})
    page = manager.get(desk(bad)).content.decode()
    assert "run.pkl is not published here" in page
    assert manager.post(desk(bad), {"verb": "publish"}).status_code == 409
    bad.refresh_from_db()
    assert bad.state == State.DRAFT


def test_the_page_shows_what_a_refused_file_would_have_run_and_takes_it_for_text(
    lyceum: world.World, draft: Revision
) -> None:
    hostile = b"cos\nsystem\n(S'<script>alert(1)</script>'\ntR."
    change = actions.Change(files=[actions.NewFile("run.pkl", *_taken(hostile), lfs=False)])
    bad = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Third")
    actions.check(revision=bad, by=lyceum.manager)
    page = browser(lyceum.manager).get(desk(bad)).content.decode()
    assert "would have run" in page
    assert "os.system(&#x27;&lt;script&gt;alert(1)&lt;/script&gt;&#x27;)" in page
    assert "<script>alert" not in page
    file = bad.files.get(path="run.pkl")
    given = browser(lyceum.manager).get(f"/lyceum/mine/download/{bad.commit}/{file.path}")
    assert given.status_code in {403, 404}, "not even to the publisher"


def test_what_a_check_found_is_said_in_the_language_of_whoever_reads_it(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"run.pkl": b"cos\nsystem\n", "odd.json": b"{", "README.md": b"---\nlicense: mit\n---\n[a](gone.md)"}
    change = actions.Change(files=[actions.NewFile(path, *_taken(held), lfs=False) for path, held in files.items()])
    bad = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Third")
    actions.check(revision=bad, by=lyceum.manager)
    entry = Entry.objects.filter(event="revision.checked").latest("id")
    assert any("odd.json is not what its name says: it cannot be read" in said for said in entry.data["findings"])
    page = browser(lyceum.manager).get(desk(bad)).content.decode()
    assert "<li>run.pkl is not published here. Pickles run code when they are opened." in page
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    page = browser(lyceum.manager).get(desk(bad)).content.decode()
    assert "<li>[run.pkl is not published here. [Pickles run code when they are opened." in page
    assert "<li>[odd.json is not what its name says: it [cannot be read: " in page
    assert "<li>[The card links to files that are not there: gone.md." in page


def test_what_a_refused_archive_would_do_is_said_in_the_readers_language(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("../data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    change = actions.Change(files=[actions.NewFile("run.pt", *_taken(held.getvalue()), lfs=False)])
    bad = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Third")
    actions.check(revision=bad, by=lyceum.manager)
    said = "A member is written outside its folder: &#x27;../data.pkl&#x27;."
    assert f"<dd>{said}" in browser(lyceum.manager).get(desk(bad)).content.decode()
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    assert f"<dd>[{said}]" in browser(lyceum.manager).get(desk(bad)).content.decode()


def test_what_is_refused_about_a_revision_is_in_the_readers_language(
    lyceum: world.World, draft: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = browser(lyceum.manager)
    for shown, verb in ((draft, "publish"), (draft, "withdraw"), (draft.model.main, "check")):
        with monkeypatch.context() as patched:
            patched.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
            answer = manager.post(desk(shown), {"verb": verb, "reason": "It is wrong."})
        assert (answer.status_code, f"[Revision {shown.commit[:8]} " in answer.content.decode()) == (409, True), verb
    assert (
        f"Revision {draft.commit[:8]} has not passed" in manager.post(desk(draft), {"verb": "publish"}).content.decode()
    )
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    with pytest.raises(NotAllowed, match=r"^\[Only a release manager"):
        actions.request_check(revision=draft, by=lyceum.reviewers[0])


def test_what_was_found_before_sentences_were_kept_is_shown_as_it_was_told(
    lyceum: world.World, draft: Revision
) -> None:
    told, remarked = ["50 % of it is missing."], [{"rule": "units", "message": "The card says 3 GB."}]
    Revision.objects.filter(pk=draft.pk).update(findings=told, notices=remarked)
    page = browser(lyceum.manager).get(desk(draft)).content.decode()
    assert "<li>50 % of it is missing.</li>" in page
    assert "<li>The card says 3 GB.</li>" in page


def test_warnings_are_shown_stop_nobody_and_stay_in_the_trail(lyceum: world.World, draft: Revision) -> None:
    text = b"---\nlicense: mit\n---\nSee [the paper](paper.pdf)."
    change = actions.Change(files=[actions.NewFile("README.md", *_taken(text), lfs=False)])
    odd = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Card")
    checked = actions.check(revision=odd, by=lyceum.manager)
    assert checked.state == State.CHECKED
    page = browser(lyceum.manager).get(desk(odd)).content.decode()
    assert "links to files that are not there: paper.pdf" in page
    assert 'value="publish"' in page
    actions.publish(revision=checked, by=lyceum.manager)
    entry = Entry.objects.filter(event="revision.published").latest("id")
    assert "dead-links" in entry.data["warnings"]


def test_a_contradiction_stops_publishing(lyceum: world.World, draft: Revision) -> None:
    files = actions.files_of(draft)
    weights = files["model.safetensors"]
    twin = actions.NewFile("model-2.safetensors", weights.size, weights.sha256, weights.sha1, weights.lfs)
    change = actions.Change(files=[twin])
    odd = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Twice")
    checked = actions.check(revision=odd, by=lyceum.manager)
    assert (checked.state, len(checked.findings)) == (State.DRAFT, 1)
    assert "hold the same bytes" in checked.findings[0]["message"]
    assert checked.refused == [], "each file is sound"


def test_steps_of_a_ladder_are_held_against_one_another(lyceum: world.World, draft: Revision) -> None:
    model = draft.model
    for step in ("step1000", "step2000"):
        actions.make_branch(
            model=model, name=step, revision=draft if step == "step2000" else model.main, by=lyceum.manager
        )
    checked = actions.check(revision=draft, by=lyceum.manager)
    assert any("those of another step: step1000" in finding["message"] for finding in checked.findings)


def test_a_withdrawal_needs_a_reason_and_keeps_what_was_typed(lyceum: world.World, draft: Revision) -> None:
    public = draft.model.main
    manager = browser(lyceum.manager)
    answer = manager.post(desk(public), {"verb": "withdraw", "reason": "  "})
    assert (answer.status_code, "Say why." in answer.content.decode()) == (422, True)
    assert manager.post(desk(public), {"verb": "withdraw", "reason": "The tokenizer is wrong."}).status_code == 302
    public.refresh_from_db()
    assert public.state == State.WITHDRAWN


def test_what_would_change_is_said_of_a_draft_and_never_of_what_was_out(lyceum: world.World, draft: Revision) -> None:
    manager, public = browser(lyceum.manager), draft.model.main
    assert "What would change" in manager.get(desk(draft)).content.decode()
    manager.post(desk(public), {"verb": "withdraw", "reason": "The tokenizer is wrong."})
    assert "What would change" not in manager.get(desk(public)).content.decode()


def test_to_all_others_the_desk_is_not_there(
    lyceum: world.World, harbour: world.World, draft: Revision, stranger: Any
) -> None:
    for user in (stranger, lyceum.reviewers[0], harbour.manager):
        client = browser(user)
        for revision in (draft, draft.model.main):
            assert client.get(desk(revision)).status_code == 404
            assert client.post(desk(revision), {"verb": "publish"}).status_code == 404
    assert Client().get(desk(draft)).status_code == 302
    assert "check and publish" not in browser(stranger).get("/lyceum/mine/revisions").content.decode()
    assert "check and publish" in browser(lyceum.manager).get("/lyceum/mine/revisions").content.decode()


def test_ten_thousand_changes_are_counted_and_the_page_stays_short(
    lyceum: world.World, draft: Revision, django_assert_max_num_queries: Any
) -> None:
    size, sha256, sha1 = _taken(b"x")
    many = [actions.NewFile(f"many/{n:05}.txt", size, sha256, sha1, lfs=False) for n in range(10_000)]
    change = actions.Change(files=many)
    grown = actions.amend(model=draft.model, branch="main", change=change, by=lyceum.manager, message="Many")
    world.counted()
    manager = browser(lyceum.manager)
    with django_assert_max_num_queries(25):
        page = manager.get(desk(grown)).content.decode()
    assert "10001 in all" in page.replace(",", "").replace("\u202f", "")
    assert len(page) < 60_000


def test_a_task_goes_to_our_broker_from_any_thread() -> None:
    """In a thread that Celery has not seen, a task without a default app goes to a broker on this machine."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: tasks.check_revision.app).result() is app
