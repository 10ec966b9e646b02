"""Private files whose process was killed before it wrote down that they are there."""

from __future__ import annotations

import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
from django.core.management import call_command
from django.utils import timezone

from inference.batch_models import RESULTS, BatchFile
from inference.batches import actions as batches
from inference.evaluating import actions as evaluating
from inference.evaluation_models import FILES
from portal.audit.models import Entry
from portal.sweeps import sweep
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions
from releases.storage.drawer import LocalDrawer, drawer
from tests.contract.batches.batching import jsonl, line, make, turn, upload
from tests.contract.test_evaluation_runs import capitals
from tests.inference.bench import Bench

BODY = b"what somebody wrote for themselves"
OLD = timedelta(days=8)


@pytest.fixture(autouse=True)
def nothing_of_other_tests() -> None:
    for name, _size, _came in list(drawer().held()):
        drawer().delete(name)


def put(name: str, *, age: timedelta = OLD) -> str:
    drawer().put(name, io.BytesIO(BODY))
    aged(name, age)
    return name


def aged(name: str, age: timedelta = OLD) -> None:
    came = (timezone.now() - age).timestamp()
    os.utime(drawer()._place(name), (came, came))


def is_there(name: str) -> bool:
    try:
        with drawer().open(name) as source:
            return bool(source.read())
    except FileNotFoundError:
        return False


def test_a_file_that_nothing_names_goes_after_a_week_and_not_before(bench: Bench, capsys: Any) -> None:
    old, young = put(uuid4().hex), put(uuid4().hex, age=timedelta(days=6))
    call_command("collect_garbage", "--dry-run")
    assert f"Would remove 1 private files, {len(BODY)} bytes." in capsys.readouterr().out
    assert is_there(old), "a dry run removes nothing"
    call_command("collect_garbage")
    assert f"Removed 1 private files, {len(BODY)} bytes." in capsys.readouterr().out
    assert not is_there(old)
    assert is_there(young)
    told = Entry.objects.filter(event="garbage.collected").first().data
    assert (told["private"], told["private_bytes"]) == (1, len(BODY))
    drawer().delete(young)


def test_what_a_batch_reads_and_writes_stays_however_old_it_is(client: openai.OpenAI) -> None:
    batch = make(client, jsonl(line(1)))
    aged(batch.input_file.hex)
    for field in RESULTS:  # written by a worker that was killed before it could say so; the next one writes over them
        put(batch.result_id(field).hex)
    assert actions.collect_garbage().private == 0
    assert turn(batch).state == "completed"
    for file in BatchFile.objects.all():
        aged(file.pk.hex)
    assert actions.collect_garbage().private == 1, "it had one file of results, and the other names nothing now"
    assert all(is_there(file.pk.hex) for file in BatchFile.objects.all())
    assert BatchFile.objects.count() == 2


def test_what_an_evaluation_run_keeps_stays_however_old_it_is(bench: Bench, settings: Any) -> None:
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"
    tokens.issue(by=bench.world.manager, kind=Kind.QUERY, label="evaluations")
    run = evaluating.begin(by=bench.world.manager, revision=bench.open_model.revisions.get(), content=capitals(1))
    aged(run.drawer_name("tasks"))
    for file in FILES[1:]:
        put(run.drawer_name(file))
    assert actions.collect_garbage().private == 0
    assert all(is_there(run.drawer_name(file)) for file in FILES)


def test_a_copy_that_was_killed_goes_with_what_is_left_in_staging(tmp_path: Path, settings: Any, db: None) -> None:
    class Killed(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            [copy] = (tmp_path / "staging").iterdir()
            os.link(copy, tmp_path / "staging" / "left")  # a killed process does not come to remove it
            raise KeyboardInterrupt

    mine = LocalDrawer(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        mine.put("a" * 32, Killed(BODY))
    assert not list(mine.held())
    assert [path.name for path in (tmp_path / "staging").iterdir()] == ["left"]


def test_deleting_old_files_goes_on_past_one_that_a_batch_began_to_read(
    client: openai.OpenAI, monkeypatch: Any
) -> None:
    read, idle = (upload(client, jsonl(line(1))) for _ in range(2))

    def late(*asked: Any) -> int:
        client.batches.create(input_file_id=read, endpoint="/v1/completions", completion_window="24h")
        return sweep(*asked)

    now = timezone.now() + timedelta(days=31)
    monkeypatch.setattr(batches, "sweep", late)
    assert batches.discard_expired(now) == 1
    assert [file.wire_id for file in BatchFile.objects.all()] == [read]
    assert not is_there(idle.removeprefix("file-"))
