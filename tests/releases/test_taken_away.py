"""A model, a lab or a revision is taken away while a job is at it: nothing comes back, nothing goes on for ever."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict, NotAllowed, NotFound
from portal.people.actions import close_lab, reopen_lab
from releases import actions, ingest, tasks
from releases.actions import checking
from releases.conversion import actions as conversions
from releases.conversion import jobs, runner
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation, Stage
from releases.conversion_models import Conversion
from releases.evaluations import actions as evaluations
from releases.lifecycle import State
from releases.logbook import actions as logbooks
from releases.models import File, Model, Revision, Upload
from releases.permits import staged
from releases.sentences import Sentence, restored
from releases.storage import store
from tests.portal import world
from tests.releases.folders import model_folder, weights
from tests.releases.test_conversion import stored

BODY = b"weights" * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def converter(settings: Any) -> None:
    """A portal that has a converter; no test here starts it."""
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"


@pytest.fixture
def unopened(lyceum: world.World, publish: Any) -> Model:
    """A model of which nothing was published yet."""
    made: Model = publish(lyceum, "secret", publish=False)
    return made


def delete(model: Model) -> None:
    actions.delete_model(model=model, by=None)


# --- Conversions ----------------------------------------------------------------------------------------------------
@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_args: Any) -> dict[str, Any]:
        raise AssertionError("the program was started for nothing")

    monkeypatch.setattr(runner, "run", run)


@pytest.fixture
def on_branch(lyceum: world.World, publish: Any) -> Conversion:
    """Queued: a published revision that a branch holds."""
    model: Model = publish(lyceum, "branched")
    actions.make_branch(model=model, name="old", revision=model.main, by=lyceum.manager)
    wish = Wish(Operation.RESHARD, ("model.safetensors",))
    change = actions.Change(files=[stored("README.md", b"# Another")])
    actions.amend(model=model, branch="main", change=change, by=lyceum.manager, message="Onwards")
    return conversions.request(revision=Revision.objects.get(pk=model.main_id), wish=wish, by=lyceum.manager)


def withdraw(conversion: Conversion) -> None:
    actions.withdraw(revision=conversion.source, by=None, reason="The weights are another model's.")


def test_nothing_is_made_of_a_revision_that_was_withdrawn_while_its_conversion_ran(on_branch: Conversion) -> None:
    running = conversions.begin(pk=on_branch.pk)
    assert running is not None
    withdraw(on_branch)
    held = actions.files_of(running.source)["model.safetensors"]
    report = {"tensors": {}, "versions": {}}
    with pytest.raises(Conflict, match="withdrawn"):
        conversions.finish(conversion=running, inputs=[held], outputs=[held], report=report)
    assert not Revision.objects.filter(parent=running.source.commit, message__startswith="Deal").exists()


@pytest.mark.usefixtures("never_run")
@pytest.mark.parametrize("away", ["withdrawn", "lab closed"])
def test_a_conversion_whose_subject_went_before_it_began_says_so_and_runs_no_program(
    lyceum: world.World, on_branch: Conversion, away: str
) -> None:
    if away == "withdrawn":
        withdraw(on_branch)
    else:
        close_lab(lab=lyceum.lab, by=lyceum.manager)
    tasks.convert(str(on_branch.pk))
    on_branch.refresh_from_db()
    assert on_branch.stage == Stage.FAILED
    assert on_branch.problem


@pytest.fixture
def of_unopened(lyceum: world.World, unopened: Model) -> Conversion:
    """Queued: the newest draft of a model of which nothing was published."""
    assert unopened.tip
    return conversions.request(
        revision=unopened.tip, wish=Wish(Operation.RESHARD, ("model.safetensors",)), by=lyceum.manager
    )


@pytest.mark.usefixtures("never_run")
@pytest.mark.parametrize("began", [False, True])
def test_a_conversion_that_waits_or_runs_is_cancelled_with_its_model_and_its_people_read_why(
    lyceum: world.World, unopened: Model, of_unopened: Conversion, began: bool
) -> None:
    if began:
        conversions.begin(pk=of_unopened.pk)
    delete(unopened)
    told = world.browser(lyceum.manager).get(f"/api/v1/conversions/{of_unopened.pk}").json()
    assert (told["stage"], told["problem"]) == ("cancelled", "Its model was deleted by its lab.")
    assert Entry.objects.get(event="conversion.cancelled").data["reason"] == told["problem"]
    tasks.convert(str(of_unopened.pk))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert (conversions.call_waiting(), conversions.fail_abandoned()) == (0, 0)
    with pytest.raises(NotFound, match="deleted"):
        conversions.retry(conversion=of_unopened, by=lyceum.manager)
    assert Conversion.objects.get().stage == Stage.CANCELLED


def test_what_was_over_when_its_model_was_deleted_keeps_its_own_end(
    lyceum: world.World, unopened: Model, of_unopened: Conversion
) -> None:
    running = conversions.begin(pk=of_unopened.pk)
    assert running is not None
    conversions.fail(conversion=running, problem=Sentence("Damaged."))
    delete(unopened)
    now = Conversion.objects.get()
    assert (now.stage, str(restored(now.problem))) == (Stage.FAILED, "Damaged.")
    assert not Entry.objects.filter(event="conversion.cancelled").exists()


def test_of_a_conversion_whose_model_is_deleted_while_it_runs_nothing_is_left(
    unopened: Model, of_unopened: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_python: Path, scratch: Path, *_args: Any) -> dict[str, Any]:
        (scratch / "out" / "model.safetensors").write_bytes(weights(9))
        delete(unopened)
        return {}

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(jobs, "_agree", lambda *_args: {})
    before = Revision.objects.count()
    tasks.convert(str(of_unopened.pk))
    assert (Conversion.objects.get().stage, Revision.objects.count()) == (Stage.CANCELLED, before)
    assert not list(configured.CONVERSION_PATH.glob(f"{of_unopened.pk}*"))
    for days in (30, 60):  # what no row names is met first, and goes when its grace is over
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            actions.collect_garbage()
    assert store().size(hashlib.sha256(weights(9)).hexdigest()) is None


def test_a_conversion_whose_lab_closed_meanwhile_commits_nothing_and_is_tried_again_once_it_is_open(
    lyceum: world.World, on_branch: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Revision.objects.count()

    def run(*_args: Any) -> dict[str, Any]:
        close_lab(lab=lyceum.lab, by=lyceum.manager)
        return {}

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(jobs, "_keep", lambda *_args: stored("model.safetensors", b"x"))
    monkeypatch.setattr(jobs, "_agree", lambda *_args: {})
    tasks.convert(str(on_branch.pk))
    on_branch.refresh_from_db()
    assert (on_branch.stage, Revision.objects.count()) == (Stage.FAILED, before)
    with pytest.raises(NotAllowed):
        conversions.retry(conversion=on_branch, by=lyceum.manager)
    reopen_lab(lab=lyceum.lab, by=lyceum.manager)
    conversions.retry(conversion=on_branch, by=lyceum.manager)
    assert Conversion.objects.get().stage == Stage.QUEUED


def test_a_withdrawn_revision_is_not_converted_by_trying_again_either(
    lyceum: world.World, on_branch: Conversion
) -> None:
    conversions.cancel(conversion=on_branch, by=lyceum.manager)
    withdraw(on_branch)
    with pytest.raises(Conflict, match="withdrawn"):
        conversions.retry(conversion=on_branch, by=lyceum.manager)


def test_a_manager_is_offered_no_conversion_of_a_withdrawn_revision_and_an_error_says_its_own_number(
    lyceum: world.World, on_branch: Conversion
) -> None:
    conversions.cancel(conversion=on_branch, by=lyceum.manager)
    manager, page = world.browser(lyceum.manager), on_branch.get_absolute_url()
    desk = f"/lyceum/branched/revisions/{on_branch.source.commit}"
    assert 'value="retry"' in manager.get(page).content.decode()
    assert f"{desk}/convert" in manager.get(desk).content.decode()
    withdraw(on_branch)
    assert 'value="retry"' not in manager.get(page).content.decode(), "it would be refused"
    assert f"{desk}/convert" not in manager.get(desk).content.decode()
    refused = manager.post(page, {"verb": "retry"})
    assert refused.status_code == 409
    assert '<p class="code-number">409</p>' in refused.content.decode()


@pytest.mark.usefixtures("never_run")
def test_a_conversion_that_is_gone_when_its_worker_comes_is_no_fault(db: None) -> None:
    tasks.convert(str(uuid4()))


# --- Checks ---------------------------------------------------------------------------------------------------------
def carried(revision: Revision, by: Any) -> None:
    tasks.check_revision(revision.pk, str(by.pk))


def test_no_check_goes_on_for_ever_of_what_was_published_before_its_worker_came(
    lyceum: world.World, unopened: Model
) -> None:
    checked = actions.request_check(revision=Revision.objects.get(pk=unopened.tip_id), by=lyceum.manager)
    actions.publish(revision=checked, by=lyceum.manager)
    carried(checked, lyceum.manager)
    after = Revision.objects.get(pk=checked.pk)
    assert (after.state, after.check_wanted_at) == (State.PUBLISHED, None)


def test_no_check_goes_on_for_ever_of_what_was_published_while_it_was_read(
    lyceum: world.World, unopened: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = actions.request_check(revision=Revision.objects.get(pk=unopened.tip_id), by=lyceum.manager)
    lint = checking._lint

    def meanwhile(*said: Any) -> None:
        actions.publish(revision=checked, by=lyceum.manager)
        lint(*said)

    monkeypatch.setattr(checking, "_lint", meanwhile)
    carried(checked, lyceum.manager)
    after = Revision.objects.get(pk=checked.pk)
    assert (after.state, after.check_wanted_at) == (State.PUBLISHED, None)


def test_a_check_of_a_model_that_is_deleted_meanwhile_ends(
    lyceum: world.World, unopened: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = actions.request_check(revision=Revision.objects.get(pk=unopened.tip_id), by=lyceum.manager)
    lint = checking._lint

    def meanwhile(*said: Any) -> None:
        delete(unopened)
        lint(*said)

    monkeypatch.setattr(checking, "_lint", meanwhile)
    carried(checked, lyceum.manager)
    assert Revision.objects.get(pk=checked.pk).check_wanted_at is None
    with pytest.raises(NotFound):
        actions.publish(revision=checked, by=lyceum.manager)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_check_of_a_draft_whose_files_were_deleted_is_no_fault(
    lyceum: world.World, unopened: Model, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    asked = actions.request_check(revision=Revision.objects.get(pk=unopened.tip_id), by=lyceum.manager)
    digests = list(File.objects.filter(revision=asked, lfs=True).values_list("blob_id", flat=True))
    lint = checking._lint

    def gone(*said: Any) -> None:
        actions.delete_files(model=unopened, digests=digests, by=lyceum.manager)
        if said:
            lint(*said)

    if when == "before":
        gone()
    else:
        monkeypatch.setattr(checking, "_lint", gone)
    carried(asked, lyceum.manager)
    assert not Revision.objects.filter(pk=asked.pk).exists()


def test_who_publishes_or_checks_a_draft_that_was_deleted_a_moment_ago_is_told(
    lyceum: world.World, unopened: Model
) -> None:
    stale = Revision.objects.get(pk=unopened.tip_id)
    digests = list(File.objects.filter(revision=stale, lfs=True).values_list("blob_id", flat=True))
    actions.delete_files(model=unopened, digests=digests, by=lyceum.manager)
    for act in (actions.request_check, actions.publish, actions.check):
        with pytest.raises(NotFound, match="was deleted"):
            act(revision=stale, by=lyceum.manager)
    with pytest.raises(NotFound, match="was deleted"):
        conversions.request(revision=stale, wish=Wish(Operation.RESHARD, ("model.safetensors",)), by=lyceum.manager)


# --- Uploads and ingests --------------------------------------------------------------------------------------------
def sent(model: Model, by: Any) -> Upload:
    begun = actions.begin_upload(model=model, sha256=DIGEST, size=len(BODY), by=by)
    assert begun is not None
    staged(Path(configured.STORE_PATH), begun.upload.key).write_bytes(BODY)
    return begun.upload


def left_in_staging(upload: Upload) -> bool:
    return staged(Path(configured.STORE_PATH), upload.key).exists()


def test_what_came_for_a_model_that_was_deleted_is_not_kept_and_leaves_staging(
    lyceum: world.World, unopened: Model
) -> None:
    upload = sent(unopened, lyceum.manager)
    delete(unopened)
    with pytest.raises(NotFound, match="deleted"):
        actions.finish_upload(upload=Upload.objects.get(pk=upload.pk), etags=())
    with pytest.raises(NotFound, match="deleted"):
        actions.begin_upload(model=Model.objects.get(pk=unopened.pk), sha256="0" * 64, size=3, by=lyceum.manager)
    assert store().size(DIGEST) is None
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert actions.purge_uploads() == 1
    assert not left_in_staging(upload)


def test_what_came_for_a_closed_lab_waits_for_a_day_and_leaves_staging_after_it(
    lyceum: world.World, unopened: Model
) -> None:
    upload = sent(unopened, lyceum.manager)
    close_lab(lab=lyceum.lab, by=lyceum.manager)
    with pytest.raises(NotAllowed):
        actions.finish_upload(upload=Upload.objects.get(pk=upload.pk), etags=())
    assert actions.purge_uploads() == 0
    reopen_lab(lab=lyceum.lab, by=lyceum.manager)
    assert actions.finish_upload(upload=Upload.objects.get(pk=upload.pk), etags=()).size == len(BODY)
    assert not left_in_staging(upload)
    other = Upload.objects.create(
        model=unopened, user=lyceum.manager, sha256="1" * 64, size=3, ends_at=timezone.now() + timedelta(hours=24)
    )
    staged(Path(configured.STORE_PATH), other.key).write_bytes(b"abc")
    close_lab(lab=lyceum.lab, by=lyceum.manager)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert actions.purge_uploads() == 1
    assert not left_in_staging(other)


@pytest.mark.parametrize("at", ["commit", "check", "publish"])
def test_an_ingest_into_a_model_that_is_deleted_on_its_way_ends_with_a_sentence(
    lyceum: world.World, unopened: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    folder = model_folder(tmp_path / "again", name="again", seed=77)
    before, step = Revision.objects.count(), getattr(actions, at)

    def meanwhile(**said: Any) -> Any:
        delete(unopened)
        return step(**said)

    monkeypatch.setattr(ingest.actions, at, meanwhile)
    with pytest.raises((CommandError, NotFound), match="deleted by its lab"):
        call_command("ingest", str(folder), "--model=lyceum/secret", "--publish")
    assert Revision.objects.count() == before + (at != "commit")
    gone = Model.objects.get(pk=unopened.pk)
    assert (gone.opened_at, gone.main) == (None, None)
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        actions.collect_garbage()
    assert not File.objects.filter(revision__model=gone).exists()
    assert [each for each in (Path(configured.STORE_PATH) / "staging").rglob("*") if each.is_file()] == []


def test_a_closed_lab_takes_no_ingest_of_its_people_and_publishes_nothing(
    lyceum: world.World, unopened: Model, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "again", name="again", seed=78)
    close_lab(lab=lyceum.lab, by=lyceum.manager)
    before = Revision.objects.count()
    with pytest.raises(NotAllowed):
        ingest.ingest(folder, model=unopened, by=lyceum.manager, publish=True)
    assert Revision.objects.count() == before


# --- Whoever has the page of a model open that a colleague deletes -----------------------------------------------------
ACTS: dict[str, Any] = {
    "commit": lambda m, by: actions.amend(
        model=m, branch="main", change=actions.Change(files=[stored("README.md", b"# Late")]), by=by, message="Late"
    ),
    "squash": lambda m, by: actions.squash(model=m, branch="main", message="One", by=by),
    "branch": lambda m, by: actions.make_branch(model=m, name="late", revision=m.tip, by=by),
    "tag": lambda m, by: actions.make_tag(model=m, name="v1", revision=m.tip, by=by),
    "describe": lambda m, by: actions.describe_model(model=m, by=by, summary="Another."),
    "rename": lambda m, by: actions.rename_model(model=m, lab=m.lab, name="another", by=by),
    "delete": lambda m, by: actions.delete_model(model=m, by=by),
    "scores": lambda m, by: evaluations.import_scores(revision=m.tip, rows=[], by=by),
    "logbook": lambda m, by: logbooks.open_logbook(subject=m, by=by),
    "plan": lambda m, by: actions.plan_opening(revision=m.tip, by=by, opens_at=timezone.now() + timedelta(days=3)),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_writes_to_a_model_that_was_deleted_a_moment_ago_is_told_and_nothing_is_written(
    lyceum: world.World, unopened: Model, act: str
) -> None:
    stale = Model.objects.select_related("lab", "tip").get(pk=unopened.pk)
    delete(unopened)
    before = Entry.objects.count()
    with pytest.raises(NotFound, match="deleted by its lab"):
        ACTS[act](stale, lyceum.manager)
    assert Entry.objects.count() == before


@pytest.mark.parametrize("act", ["branch", "tag"])
def test_no_name_is_given_to_a_draft_that_was_deleted_a_moment_ago(
    lyceum: world.World, unopened: Model, act: str
) -> None:
    stale = Model.objects.select_related("lab", "tip").get(pk=unopened.pk)
    digests = list(File.objects.filter(revision=unopened.tip, lfs=True).values_list("blob_id", flat=True))
    actions.delete_files(model=unopened, digests=digests, by=lyceum.manager)
    with pytest.raises(NotFound, match="was deleted"):
        ACTS[act](stale, lyceum.manager)
