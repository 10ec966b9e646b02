"""What a batch waits for, and for how long: rates, engines, a worker, a turn."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from inference import actions
from inference.batch_models import Batch
from inference.batches import actions as batches
from inference.batches import running, tries
from inference.contract import Limits
from portal.outbox.models import Message
from tests.contract.batches.batching import jsonl, ledger, line, make, makes_vectors, results, turn
from tests.inference.bench import OPEN, serve
from tests.inference.gateway import rig


def test_what_an_engine_breaks_is_tried_again_and_then_told(bench, client, store, monkeypatch):
    monkeypatch.setattr(tries, "PATIENCE_S", 0.5)
    batch = turn(make(client, jsonl(line(1), line(2, prompt="#status=500 x"))))
    assert (batch.completed, batch.failed) == (1, 1)
    assert results(client, batch, "error_file_id")[0]["response"]["status_code"] >= 500
    assert {row.status for row in ledger(store)} == {"ok"}, "what came to nothing is not billed"


def test_a_rate_is_waited_for_and_a_spent_allowance_is_an_error(bench, client, store):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(requests_per_minute=600, concurrency=1))
    batch = turn(make(client, jsonl(*(line(n) for n in range(1, 7)))))
    assert (batch.state, batch.completed) == ("completed", 6)
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=40))
    batch = turn(make(client, jsonl(*(line(n, ignore_eos=True) for n in range(1, 9)))))
    codes = {each["response"]["body"]["error"]["code"] for each in results(client, batch, "error_file_id")}
    assert codes == {"insufficient_quota"}
    assert 0 < batch.completed < 8


def test_rows_that_wait_for_an_engine_make_room_for_another_batch_and_are_sent_at_the_next_turn(
    bench, client, engine, monkeypatch
):
    monkeypatch.setattr(running, "TURN", timedelta(seconds=1))
    batch, other = make(client, jsonl(*(line(n) for n in range(1, 5)))), make(client, jsonl(line(1, model=OPEN)))
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() + timedelta(seconds=20))
    Batch.objects.filter(pk=other.pk).update(heard_at=timezone.now() - timedelta(minutes=1))
    (server,) = bench.gated_model.pools.get().backends.all()
    actions.withdraw(by=None, backend=server, reason="It is moved.")
    rig.settle_routes()
    Message.objects.filter(topic="batch.run").delete()
    turn(batch)
    assert (batch.state, batch.answered) == ("in_progress", 0), "it held its worker until its time was over"
    assert Message.objects.filter(topic="batch.run", payload={"batch": str(batch.pk)}).count() == 1
    assert turn(other).state == "completed"
    makes_vectors(bench, engine.url)
    assert (turn(batch).state, batch.completed) == ("completed", 4)


def test_a_row_that_no_engine_answers_is_given_up_though_other_batches_wait(bench, client, store, monkeypatch):
    """Each turn ended before its patience did, and the next began with a fresh one: it ran into the end of the batch."""
    monkeypatch.setattr(running, "TURN", timedelta(seconds=1))
    monkeypatch.setattr(tries, "PATIENCE_S", 2.0)
    batch, other = make(client, jsonl(line(1))), make(client, jsonl(line(1, model=OPEN)))
    serve(bench.gated_model, 9)
    rig.settle_routes()
    for _ in range(6):
        Batch.objects.filter(pk=other.pk).update(heard_at=timezone.now() - timedelta(minutes=1))
        if turn(batch).state != "in_progress":
            break
        assert batch.met
    assert (batch.state, batch.failed, batch.met) == ("completed", 1, {})
    (told,) = results(client, batch, "error_file_id")
    assert told["response"]["body"]["error"]["code"] == "unavailable"
    assert ledger(store) == []


def test_a_batch_without_a_worker_is_called_for_again_once_a_minute(client, bench):
    batch = make(client, jsonl(line(1)))
    Message.objects.all().delete()
    assert batches.call_silent(timezone.now()) == 0
    Batch.objects.update(heard_at=timezone.now() - timedelta(minutes=2))
    assert batches.call_silent(timezone.now()) == 1
    assert batches.call_silent(timezone.now()) == 0
    assert Message.objects.filter(topic="batch.run", payload={"batch": str(batch.pk)}).count() == 1
