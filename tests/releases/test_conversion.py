"""Conversions asked for, followed, cancelled and finished by those who look after a lab's releases, and by nobody else."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as configured
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotSetUp
from portal.outbox.models import Message
from portal.tokens import actions as tokens
from portal.tokens.models import Kind, Scope
from releases import actions, git
from releases.conversion import actions as conversions
from releases.conversion import jobs, receipts, runner
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation, Stage
from releases.conversion_models import Conversion
from releases.models import Model, Revision
from releases.proofs import merkle
from releases.sentences import Sentence, restored
from releases.storage import store
from tests.portal import world
from tests.portal.world import browser
from tests.releases.checkpoints import checkpoint
from tests.releases.folders import weights

BIN = "pytorch_model.bin"
WISH = Wish(Operation.CONVERT, (BIN,))


@pytest.fixture(autouse=True)
def converter(settings: Any) -> None:
    """A portal that has a converter; no test here starts it."""
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"


def stored(path: str, content: bytes) -> actions.NewFile:
    sha256, size = store().put(io.BytesIO(content))
    lfs = git.is_lfs(path, size)
    return actions.NewFile(path, size, sha256, git.blob_id(git.pointer(sha256, size) if lfs else content), lfs)


@pytest.fixture
def draft(lyceum: world.World, publish: Any) -> Revision:
    """A draft after a public revision: pickled weights came, safetensors went."""
    model: Model = publish(lyceum, "mine")
    change = actions.Change(files=[stored(BIN, checkpoint({"w": ([1.0, 2.0], [2])}))], gone=["model.safetensors"])
    return actions.amend(model=model, branch="main", change=change, by=lyceum.manager, message="Pickles")


@pytest.fixture
def queued(lyceum: world.World, draft: Revision) -> Conversion:
    return conversions.request(revision=draft, wish=WISH, by=lyceum.manager)


def report(root: str = "ab" * 32) -> dict[str, Any]:
    tensors = {"count": 1, "elements": 2, "before": root, "after": root, "pieces": {"count": 1, "equal": 1}}
    return {"tensors": tensors, "versions": {"python": "3.11.7", "torch": "2.13.0", "safetensors": "0.8.0"}}


def finished(conversion: Conversion) -> Conversion:
    running = conversions.begin(pk=conversion.pk)
    assert running is not None
    inputs = [actions.files_of(running.source)[BIN]]
    outputs = [stored("model.safetensors", weights(3))]
    return conversions.finish(conversion=running, inputs=inputs, outputs=outputs, report=report())


def convert_url(revision: Revision) -> str:
    return reverse("releases:convert", args=["lyceum", revision.model.name, revision.commit])


# --- Asking ---------------------------------------------------------------------------------------------------------
def test_a_manager_asks_on_the_page_and_follows_it(lyceum: world.World, draft: Revision) -> None:
    manager = browser(lyceum.manager)
    assert (
        convert_url(draft)
        in manager.get(reverse("releases:desk", args=["lyceum", "mine", draft.commit])).content.decode()
    )
    page = manager.get(convert_url(draft)).content.decode()
    assert BIN in page
    assert "tokenizer_config.json" not in page
    answer = manager.post(convert_url(draft), {"operation": "convert", "files": [BIN], "shards": "1"})
    made = Conversion.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, made.get_absolute_url())
    assert (made.stage, made.branch, made.files, made.asked_by) == (Stage.QUEUED, "main", [BIN], lyceum.manager)
    assert Message.objects.filter(topic="conversion.run", payload={"conversion": str(made.pk)}).exists()
    assert "waits for the converter" in manager.get(made.get_absolute_url()).content.decode()
    assert Entry.objects.filter(event="conversion.requested", lab="lyceum").count() == 1


def test_a_wrong_wish_keeps_what_was_chosen_and_says_where(lyceum: world.World, draft: Revision) -> None:
    manager = browser(lyceum.manager)
    answer = manager.post(convert_url(draft), {"operation": "cast", "files": [BIN], "shards": "2"})
    page = answer.content.decode()
    assert (answer.status_code, "Choose the type to cast to." in page) == (422, True)
    assert 'value="cast" required' in page or "checked" in page.partition('value="cast"')[2][:80]
    assert manager.post(convert_url(draft), {"operation": "convert", "shards": "x"}).status_code == 422
    assert not Conversion.objects.exists()


def test_a_second_one_of_the_same_revision_waits(lyceum: world.World, queued: Conversion) -> None:
    answer = browser(lyceum.manager).post(
        convert_url(queued.source), {"operation": "convert", "files": [BIN], "shards": "1"}
    )
    assert (answer.status_code, "under way" in answer.content.decode()) == (409, True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversion.objects.create(model=queued.model, source=queued.source, branch="main", operation="convert")


def test_without_a_converter_the_page_says_so_and_nothing_is_begun(
    lyceum: world.World, draft: Revision, settings: Any
) -> None:
    settings.CONVERTER_PYTHON = ""
    page = browser(lyceum.manager).get(convert_url(draft)).content.decode()
    assert "This portal has no converter" in page
    assert '<form method="post" novalidate' not in page
    with pytest.raises(NotSetUp, match="CONVERTER_PYTHON"):
        conversions.request(revision=draft, wish=WISH, by=lyceum.manager)


def test_only_the_newest_revision_of_a_branch_is_converted(lyceum: world.World, draft: Revision) -> None:
    with pytest.raises(Conflict, match="newest of a branch"):
        conversions.request(
            revision=draft.model.main, wish=Wish(Operation.RESHARD, ("model.safetensors",)), by=lyceum.manager
        )
    actions.make_branch(model=draft.model, name="old", revision=draft.model.main, by=lyceum.manager)
    made = conversions.request(
        revision=draft.model.main, wish=Wish(Operation.RESHARD, ("model.safetensors",)), by=lyceum.manager
    )
    assert made.branch == "old"
    with pytest.raises(Invalid):
        conversions.request(revision=draft, wish=Wish(Operation.CONVERT, ("config.json",)), by=lyceum.manager)


def test_to_all_others_it_is_not_there(
    lyceum: world.World, harbour: world.World, queued: Conversion, stranger: Any
) -> None:
    addresses = [convert_url(queued.source), queued.get_absolute_url(), queued.get_absolute_url() + "/receipt.json"]
    for user in (stranger, lyceum.reviewers[0], harbour.manager):
        client = browser(user)
        for address in addresses:
            assert client.get(address).status_code == 404
        assert client.post(addresses[1], {"verb": "cancel"}).status_code == 404
        with pytest.raises(NotAllowed):
            conversions.cancel(conversion=queued, by=user)
    assert Client().get(addresses[0]).status_code == 302
    other = reverse("releases:conversion", args=["lyceum", "mine", "00000000-0000-4000-8000-000000000000"])
    assert browser(lyceum.manager).get(other).status_code == 404


# --- Its life -------------------------------------------------------------------------------------------------------
def test_it_begins_once_however_often_it_is_delivered(queued: Conversion) -> None:
    assert conversions.begin(pk=queued.pk) is not None
    assert conversions.begin(pk=queued.pk) is None


def test_the_result_is_a_draft_after_the_source_with_a_sealed_receipt(
    lyceum: world.World, queued: Conversion, settings: Any, stranger: Any
) -> None:
    settings.RECEIPT_SIGNING_KEY = "k" * 40
    done = finished(queued)
    source = queued.source
    assert done.result is not None
    assert (done.result.parent, done.result.state, done.result.author) == (
        source.commit,
        "draft",
        lyceum.manager.get_full_name(),
    )
    paths = set(done.result.files.values_list("path", flat=True))
    assert "model.safetensors" in paths
    assert BIN not in paths
    assert set(source.files.values_list("path", flat=True)) - {BIN} <= paths, "all else stays"
    told = done.receipt
    assert told is not None
    assert (told["schema"], told["source"], told["result"]) == (
        "weighbridge.conversion/1",
        source.commit,
        done.result.commit,
    )
    assert told["inputs"][0]["sha256"] == source.files.get(path=BIN).sha256
    assert told["outputs"][0]["sha256"] == done.result.files.get(path="model.safetensors").sha256
    manager = browser(lyceum.manager)
    page = manager.get(done.get_absolute_url()).content.decode()
    assert "intact, under our seal" in page
    assert "The same: no value changed." in page
    sealed = manager.get(done.get_absolute_url() + "/receipt.json").json()
    from portal import signing

    assert signing.sealed(
        sealed["document"], key_id=sealed["ed25519"]["public_key"], signature=sealed["ed25519"]["signature"]
    )
    assert signing.digest(sealed["document"]) == sealed["sha256"]
    assert browser(stranger).get(done.get_absolute_url() + "/receipt.json").status_code == 404, "a draft's, not yet"
    public = {"path": reverse("agreements:find"), "data": {"sha256": sealed["sha256"]}}
    assert Client().get(**public).status_code == 404
    actions.publish(revision=actions.check(revision=done.result, by=lyceum.manager), by=lyceum.manager)
    assert Client().get(done.get_absolute_url() + "/receipt.json").status_code == 200, "as public as its result"
    assert "This receipt is genuine" in Client().get(**public).content.decode()
    Conversion.objects.filter(pk=done.pk).update(receipt={**told, "seconds": 0})
    assert "does not verify" in manager.get(done.get_absolute_url()).content.decode()
    assert "does not verify" in Client().get(**public).content.decode()


def test_what_was_cancelled_meanwhile_commits_nothing(lyceum: world.World, queued: Conversion) -> None:
    running = conversions.begin(pk=queued.pk)
    assert running is not None
    assert conversions.progress(conversion=running, done=1, total=2, log=[("2026-11-26T03:00:00", "a line")])
    page = browser(lyceum.manager).get(running.get_absolute_url()).content.decode()
    assert "a line" in page
    assert browser(lyceum.manager).post(running.get_absolute_url(), {"verb": "cancel"}).status_code == 302
    assert not conversions.progress(conversion=running, done=2, total=2, log=[]), "the worker is told to end"
    before = Revision.objects.count()
    late = conversions.finish(
        conversion=running, inputs=[], outputs=[stored("model.safetensors", weights(3))], report=report()
    )
    assert (late.stage, Revision.objects.count()) == (Stage.CANCELLED, before)
    conversions.fail(conversion=running, problem=Sentence("late"))
    assert Conversion.objects.get().problem is None


def test_a_failed_one_is_tried_again_by_whoever_does(lyceum: world.World, queued: Conversion) -> None:
    running = conversions.begin(pk=queued.pk)
    assert running is not None
    conversions.fail(conversion=running, problem=Sentence("The tensor %(name)s is of two minds.", name="x"))
    manager = browser(lyceum.manager)
    assert "of two minds" in manager.get(queued.get_absolute_url()).content.decode()
    assert manager.post(queued.get_absolute_url(), {"verb": "retry"}).status_code == 302
    queued.refresh_from_db()
    assert (queued.stage, queued.problem, queued.ended_at) == (Stage.QUEUED, None, None)
    assert manager.post(queued.get_absolute_url(), {"verb": "retry"}).status_code == 409
    assert manager.post(queued.get_absolute_url(), {"verb": "what"}).status_code == 400


def test_when_the_branch_has_moved_on_nothing_is_committed(lyceum: world.World, queued: Conversion) -> None:
    change = actions.Change(files=[stored("notes.txt", b"later")])
    actions.amend(model=queued.model, branch="main", change=change, by=lyceum.manager, message="Later")
    with pytest.raises(actions.Stale):
        finished(queued)
    assert Conversion.objects.get().stage == Stage.RUNNING


def test_who_asked_and_lost_the_role_gets_no_commit(lyceum: world.World, queued: Conversion) -> None:
    lyceum.manager.memberships.update(ends_at=timezone.now())
    with pytest.raises(NotAllowed):
        finished(queued)


def test_one_whose_worker_went_away_says_so(queued: Conversion) -> None:
    conversions.begin(pk=queued.pk)
    assert conversions.fail_abandoned() == 0
    Conversion.objects.update(heard_at=timezone.now() - conversions.SILENT - timedelta(seconds=1))
    assert conversions.fail_abandoned() == 1
    queued.refresh_from_db()
    assert (queued.stage, "went away" in str(restored(queued.problem))) == (Stage.FAILED, True)


def test_one_that_the_broker_lost_is_sent_to_the_converter_again_and_one_that_runs_is_not(queued: Conversion) -> None:
    def called() -> int:
        return Message.objects.filter(topic="conversion.run", payload={"conversion": str(queued.pk)}).count()

    assert (conversions.call_waiting(), called()) == (0, 1), "it was called for just now"
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert (conversions.call_waiting(), called()) == (1, 2)
        assert (conversions.call_waiting(), called()) == (0, 2), "once in ten minutes"
    Conversion.objects.update(heard_at=None)
    assert (conversions.call_waiting(), called()) == (1, 3), "it waits since an earlier version"
    assert conversions.begin(pk=queued.pk)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert conversions.call_waiting() == 0


def test_a_worker_without_the_program_fails_it_with_a_sentence_and_leaves_nothing(queued: Conversion) -> None:
    jobs.carry_out(queued.pk)
    queued.refresh_from_db()
    assert (queued.stage, "CONVERTER_PYTHON names no Python" in str(restored(queued.problem))) == (Stage.FAILED, True)
    assert not list(configured.CONVERSION_PATH.glob(f"{queued.pk}*"))


def a_program(folder: Path, problem: object) -> str:
    """A converter that refuses whatever it is given, and leaves this behind."""
    python = folder / "python"
    told = json.dumps({"problem": problem}) if not isinstance(problem, str) else problem
    (folder / "told.json").write_text(told)
    python.write_text(f'#!/bin/sh\ncp "{folder}/told.json" "$4/report.json"\nexit 3\n')
    python.chmod(0o755)
    return str(python)


def test_what_is_wrong_with_weights_is_said_in_the_managers_language_and_to_programs_in_english(
    lyceum: world.World, queued: Conversion, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Sentence("%(path)s holds no tensors by name.", path=BIN)
    settings.CONVERTER_PYTHON = a_program(tmp_path, told.kept())
    jobs.carry_out(queued.pk)
    program = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, label="ci", scopes=frozenset({Scope.MANAGE}))[1]
    shown = Client(headers={"authorization": f"Bearer {program}"}).get(f"/api/v1/conversions/{queued.pk}").json()
    assert shown["problem"] == f"{BIN} holds no tensors by name."
    assert Entry.objects.get(event="conversion.failed").data["problem"] == shown["problem"]
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    page = browser(lyceum.manager).get(queued.get_absolute_url()).content.decode()
    assert f"[{BIN} holds no tensors by name.]" in page


def test_a_conversion_that_a_rule_of_ours_ends_says_so_in_the_managers_language_too(
    lyceum: world.World, queued: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_of: Any, **_more: Any) -> None:
        raise Conflict("At 100 % nothing follows.")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_convert", end)
        jobs.carry_out(queued.pk)
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    page = browser(lyceum.manager).get(queued.get_absolute_url()).content.decode()
    assert "[At 100 % nothing follows.]" in page


@pytest.mark.parametrize(
    ("left", "says"),
    [
        ({"text": "%(a)9s", "values": {"a": "x"}, "message": "Told."}, "Told."),
        ({"text": "%(a)s", "values": {"a": "x\u202e\n<b>"}}, "x&lt;b&gt;"),
        ({"text": "%(a)s", "values": {"a": "x" * 5_000}}, "x" * 1_000),
        ("[" * 90_000, "no report that can be read"),
        (None, "None"),
    ],
)
def test_whatever_a_strangers_program_leaves_is_told_and_shown_as_text(
    lyceum: world.World, queued: Conversion, settings: Any, tmp_path: Path, left: object, says: str
) -> None:
    settings.CONVERTER_PYTHON = a_program(tmp_path, left)
    jobs.carry_out(queued.pk)
    queued.refresh_from_db()
    page = browser(lyceum.manager).get(queued.get_absolute_url()).content.decode()
    assert (queued.stage, f"<p>{says}" in page or f"{says}. Nothing" in page) == (Stage.FAILED, True)
    assert len(str(restored(queued.problem))) <= runner.SENTENCE_MAX


def test_a_run_that_was_cancelled_has_no_say_in_the_next(lyceum: world.World, queued: Conversion) -> None:
    first = conversions.begin(pk=queued.pk)
    assert first is not None
    conversions.cancel(conversion=queued, by=lyceum.manager)
    conversions.retry(conversion=queued, by=lyceum.manager)
    second = conversions.begin(pk=queued.pk)
    assert second is not None
    assert not conversions.progress(conversion=first, done=1, total=1, log=[])
    conversions.fail(conversion=first, problem=Sentence("late"))
    assert conversions.progress(conversion=second, done=1, total=1, log=[])


def test_what_a_killed_worker_left_is_swept_and_what_runs_is_not(queued: Conversion) -> None:
    running = conversions.begin(pk=queued.pk)
    assert running is not None
    folder = configured.CONVERSION_PATH
    kept, left = folder / f"{running.pk}_1.0", folder / "00000000-0000-4000-8000-000000000000_1.0"
    for each in (kept, left):
        each.mkdir(parents=True)
    jobs.carry_out(running.pk)
    assert (kept.exists(), left.exists()) == (True, False)
    kept.rmdir()


def test_a_folder_of_somebody_elses_stays_and_hinders_no_conversion(queued: Conversion) -> None:
    other = configured.CONVERSION_PATH / "lost_found"
    other.mkdir(parents=True)
    jobs.carry_out(queued.pk)
    queued.refresh_from_db()
    assert (queued.stage, other.exists()) == (Stage.FAILED, True), "there is no converter here, and it says so"
    other.rmdir()


@pytest.mark.parametrize(
    "change", [{"after": "no hex"}, {"count": "many"}, {"pieces": None}, {"cast": {"rows": 3}}, {"before": 5}]
)
def test_a_report_in_another_form_is_not_sealed(change: dict[str, Any]) -> None:
    assert receipts.shaped(report()) == report()
    told = report()
    assert receipts.shaped({**told, "tensors": told["tensors"] | change}) is None
    assert receipts.shaped({"tensors": told["tensors"]}) is None
    assert receipts.shaped({**told, "versions": told["versions"] | {"torch": "2\0"}}) is None


def test_a_weight_id_that_is_not_the_files_own_is_not_believed() -> None:
    with pytest.raises(runner.Failed, match="another weight id"):
        jobs._agree(report(), {"w": b"\1" * 32})
    own = merkle.root([b"\1" * 32])[1]
    assert jobs._agree(report(own), {"w": b"\1" * 32})["tensors"]["after"] == own


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "lost"},
        {"stage": "done"},
        {"stage": "failed", "ended_at": timezone.now()},
        {"ended_at": timezone.now()},
    ],
)
def test_a_conversion_cannot_contradict_itself(queued: Conversion, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversion.objects.filter(pk=queued.pk).update(**changes)


# --- By program -----------------------------------------------------------------------------------------------------
def test_a_program_asks_follows_cancels_and_tries_again(
    lyceum: world.World, harbour: world.World, draft: Revision
) -> None:
    mine, theirs = browser(lyceum.manager), browser(harbour.manager)
    body = {"model": "lyceum/mine", "revision": draft.commit, "operation": "convert", "shards": 2}
    refused = theirs.post("/api/v1/conversions", body, content_type="application/json")
    assert refused.status_code == 404
    wrong = mine.post("/api/v1/conversions", body | {"operation": "cast"}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["fields"].keys()) == (400, {"dtype"})
    made = mine.post("/api/v1/conversions", body, content_type="application/json")
    assert made.status_code == 201, made.json()
    told = made.json()
    assert (told["files"], told["stage"], told["source"], told["receipt"]) == ([BIN], "queued", draft.commit, None)
    address = f"/api/v1/conversions/{told['id']}"
    assert theirs.get(address).status_code == 404
    assert theirs.post(f"{address}/cancel").status_code == 404
    assert mine.post(f"{address}/cancel").json()["stage"] == "cancelled"
    assert mine.post(f"{address}/cancel").status_code == 409
    assert mine.post(f"{address}/retry").json()["stage"] == "queued"
    finished(Conversion.objects.get())
    done = mine.get(address).json()
    assert done["receipt"]["document"]["result"] == done["result"]


def test_files_of_a_draft_that_was_converted_are_deleted_as_far_as_its_receipt_lets_them(
    lyceum: world.World, draft: Revision, queued: Conversion
) -> None:
    def digests(revision: Revision) -> set[str]:
        return set(revision.files.filter(lfs=True).values_list("blob", flat=True))

    def delete(*of: Revision) -> int:
        return actions.delete_files(model=draft.model, digests=set.union(*map(digests, of)), by=lyceum.manager)

    with pytest.raises(Conflict, match="under way"):
        delete(draft)
    made = finished(queued).result
    assert made is not None
    with pytest.raises(Conflict, match="receipt keeps"):
        delete(draft)
    assert delete(made) == 1, "the result may go, and its receipt with it"
    assert not Conversion.objects.exists()
    assert delete(draft) == 1


@pytest.mark.parametrize("end", [conversions.cancel, None])
def test_a_conversion_that_came_to_nothing_goes_with_its_draft(
    lyceum: world.World, draft: Revision, queued: Conversion, end: Any
) -> None:
    if end:
        end(conversion=queued, by=lyceum.manager)
    else:
        conversions.fail(conversion=conversions.begin(pk=queued.pk), problem=Sentence("Damaged."))
    weights_of = set(draft.files.filter(lfs=True).values_list("blob", flat=True))
    assert actions.delete_files(model=draft.model, digests=weights_of, by=lyceum.manager) == 1
    assert not Conversion.objects.exists()
