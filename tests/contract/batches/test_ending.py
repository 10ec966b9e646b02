"""How a batch ends before all its rows are answered: a right, a word of its owner's, its time, its owner's account."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import openai
import pytest
from django.db import connection
from django.utils import timezone

from inference import contract
from inference.batch_models import Batch, BatchFile, StandIn
from inference.batches import actions as batches
from inference.batches import running
from portal.access import actions as access
from portal.people import erasure
from portal.people.actions import close_lab
from portal.people.erasure_models import ErasureRequest
from portal.tokens import actions as tokens
from releases import actions as releases
from releases.storage.drawer import drawer
from tests.contract.batches.batching import SLOW, jsonl, ledger, line, make, meanwhile, results, turn
from tests.inference.gateway import rig


def test_a_batch_that_was_begun_ends_though_the_bound_of_rows_was_lowered_since(bench, client, settings):
    batch, late = make(client, jsonl(*(line(n) for n in range(1, 6)))), make(client, jsonl(line(1), line(2)))
    assert batches.begin(pk=batch.pk, found=running._survey(batch))
    settings.BATCH_ROWS = 1
    assert (turn(batch).state, batch.completed) == ("completed", 5)
    assert turn(late).problems[0]["code"] == "too_many_rows"


@pytest.mark.parametrize("change", ["token", "grant", "lab", "stop"])
def test_when_a_right_ends_in_the_middle_the_rest_answers_with_the_reason(bench, client, store, change):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 25))))
    with meanwhile(batch):
        rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).completed)
        if change == "token":
            tokens.revoke(by=bench.researcher, token=bench.token)
        elif change == "lab":
            close_lab(lab=bench.world.lab, by=bench.world.manager)
        elif change == "stop":
            releases.stop_release(subject=bench.gated_model, by=bench.world.manager, reason="It is another model's.")
        else:
            access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="The weights were passed on.")
    assert batch.state == "completed"
    assert 0 < batch.completed < 24
    assert batch.completed + batch.failed == 24
    file = BatchFile.objects.get(pk=batch.error_file)
    with drawer().open(file.pk.hex) as source:
        refused = [json.loads(each) for each in source]
    assert {each["response"]["status_code"] for each in refused} <= {401, 403}
    assert len(ledger(store)) == batch.completed
    assert store.zcard(contract.LEASES) == 0


def test_cancelling_stops_within_seconds_and_what_was_answered_stays_and_is_billed(bench, client, store, engine):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 200))))
    with meanwhile(batch):
        rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).completed)
        assert client.batches.cancel(batch.wire_id).status == "cancelling"
        rig.wait_for(lambda: client.batches.retrieve(batch.wire_id).status == "cancelled", seconds=10)
    good, bad = results(client, batch), results(client, batch, "error_file_id")
    assert 0 < len(good) == batch.completed < 199
    assert len(bad) == batch.failed == 199 - len(good)
    assert {each["error"]["code"] for each in bad} == {"batch_cancelled"}
    assert len({each["custom_id"] for each in good + bad}) == 199
    rows = ledger(store)
    assert {row.request_id for row in rows} == {each["response"]["request_id"] for each in good}
    assert {row.status for row in rows} == {"ok"}
    rig.wait_for(lambda: engine.truth()["open"] == 0, message="the engine goes on for nobody")
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.wire_id)


def test_a_batch_whose_time_is_over_keeps_what_it_has_and_says_which_rows_are_missing(bench, client, store):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 60))))
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() + timedelta(seconds=2.5))
    turn(batch)
    assert batch.state == "expired"
    bad = results(client, batch, "error_file_id")
    assert {each["error"]["code"] for each in bad} == {"batch_expired"}
    assert len(bad) + len(results(client, batch)) == 59
    assert len(ledger(store)) == batch.completed > 0


def test_who_is_erased_leaves_no_file_no_batch_and_no_work_behind(client, bench, store, engine):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 60))))
    files = list(BatchFile.objects.values_list("pk", flat=True))
    asked = ErasureRequest.objects.create(user=bench.researcher, requested_at=timezone.now(), due_at=timezone.now())
    thread = threading.Thread(target=lambda: (running.run(batch.pk), connection.close()))
    thread.start()
    rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).completed)
    assert erasure.erase(request=asked, now=timezone.now())
    thread.join(30)
    assert not thread.is_alive()
    assert not Batch.objects.exists()
    assert not BatchFile.objects.exists()
    assert not StandIn.objects.exists()
    for pk in files:
        with pytest.raises(FileNotFoundError):
            drawer().open(pk.hex)
    rig.wait_for(lambda: engine.truth()["open"] == 0)
    rig.wait_for(lambda: store.zcard(contract.LEASES) == 0)
