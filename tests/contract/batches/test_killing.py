"""Workers that are killed, and workers that meet: each row is answered once and billed once."""

from __future__ import annotations

import json
import signal
import socket
import subprocess

import openai
import pytest
from django.utils import timezone

from inference import contract
from inference.batch_models import Batch
from inference.batches import actions as batches
from inference.batches import running, stand_ins
from inference.gateway.counters import counter_of
from tests.contract.batches.batching import SLOW, jsonl, ledger, line, make, meanwhile, results, turn, worker
from tests.inference.bench import GATED
from tests.inference.gateway import rig

COUNT = 10_000


def killed_over_and_over(batch: Batch, gateway: rig.Gateway, every: int) -> int:
    """Kill the worker by SIGKILL each time another `every` rows are answered, until it is over; how often."""
    kills = 0
    while not _survived(batch, worker(batch, gateway), every):
        kills += 1
    return kills


def _survived(batch: Batch, process: subprocess.Popen[bytes], every: int) -> bool:
    enough = Batch.objects.get(pk=batch.pk).answered + every
    rig.wait_for(lambda: process.poll() is not None or Batch.objects.get(pk=batch.pk).answered >= enough, seconds=600)
    if process.poll() is not None:
        assert process.returncode == 0
        return True
    process.send_signal(signal.SIGKILL)
    process.wait()
    return False


@pytest.mark.parametrize(
    ("rows", "every"), [(60, 15), pytest.param(COUNT, 900, marks=[pytest.mark.drill, pytest.mark.timeout(1800)])]
)
def test_a_worker_that_is_killed_is_followed_by_another_and_each_row_is_billed_once(
    bench, client, gateway, store, engine, rows, every
):
    batch = make(client, jsonl(*(line(n, prompt="#ttft=15 x") for n in range(1, rows + 1))))
    kills = killed_over_and_over(batch, gateway, every)
    batch.refresh_from_db()
    assert kills >= 2
    assert (batch.state, batch.completed, batch.failed) == ("completed", rows, 0)
    answers = results(client, batch)
    assert [each["custom_id"] for each in answers] == [f"row-{n}" for n in range(1, rows + 1)]
    kept = ledger(store)
    assert len(kept) == len({row.request_id for row in kept}) == rows
    assert {row.request_id for row in kept} == {each["response"]["request_id"] for each in answers}
    assert {row.status for row in kept} == {"ok"}
    assert sum(row.tokens for row in kept) == batch.tokens
    assert sum(row.tokens for row in kept) <= sum(engine.truth()[name] for name in ("prompt", "generation"))
    assert store.zcard(contract.LEASES) == 0
    assert counter_of(store, "project", str(bench.project.pk)).running == 0


def test_what_was_billed_while_no_worker_lived_is_given_to_the_next_one_without_the_engine(
    bench, client, store, engine, gateway
):
    """The gap between the gateway's settlement and the worker's commit, made as wide as can be."""
    batch = make(client, jsonl(line(1), line(2)))
    assert batches.begin(pk=batch.pk, found=running._survey(batch))
    batch.refresh_from_db()
    stand_in = stand_ins.Held.of(batch.pk)
    asked = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=stand_in.secret, max_retries=0)
    said = asked.completions.with_raw_response.create(
        model=GATED, prompt="def f( 1", max_tokens=3, extra_headers={"weighbridge-line": "1"}
    )
    assert said.headers["x-request-id"] == contract.row_id(batch.pk.hex, 1)
    before = engine.truth()
    turn(batch)
    spent = engine.truth()
    assert spent["finished"] - before["finished"] <= 1
    assert spent["generation"] - before["generation"] == 3, "the second row alone"
    answers = results(client, batch)
    assert answers[0]["response"]["body"]["id"] == json.loads(said.text)["id"]
    assert len(ledger(store)) == 2


@pytest.mark.parametrize("word", ["cancelled", "expired"])
def test_a_batch_ends_whose_last_rows_were_all_answered_while_no_worker_lived(
    bench, client, store, gateway, stand_in, word
):
    batch, secret = stand_in
    asked = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=secret, max_retries=0)
    for row in ("1", "2"):
        asked.completions.create(model=GATED, prompt="def f(", max_tokens=3, extra_headers={"weighbridge-line": row})
    if word == "cancelled":
        client.batches.cancel(batch.wire_id)
    else:
        Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now())
    assert (turn(batch).state, batch.completed, batch.failed) == (word, 2, 0)
    assert len(results(client, batch)) == len(ledger(store)) == 2
    assert results(client, batch, "error_file_id") == []


def test_an_answer_is_kept_only_where_it_is_billed(bench, client, store, engine, gateway, stand_in):
    """The worker dies while the store is slow to take its row's answer: whatever it does then, it does both or neither."""
    batch, secret = stand_in
    name = contract.row_id(batch.pk.hex, 1)
    body = json.dumps({"model": GATED, "prompt": "#ttft=150 x", "max_tokens": 3}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\nweighbridge-line: 1\r\n"
    worker = socket.create_connection(("127.0.0.1", gateway.port), 10)
    worker.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    rig.wait_for(lambda: store.exists(contract.lease_key(name)))
    store.client_pause(1500, all=False)
    rig.wait_for(lambda: engine.truth()["finished"])
    worker.close()
    rig.wait_for(lambda: not store.zcard(contract.LEASES))
    assert store.exists(contract.answer_key(name)) == len(ledger(store))


def test_two_workers_never_have_one_batch(bench, client, store):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 9))))
    with meanwhile(batch):
        rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).state == "in_progress")
        running.run(batch.pk)
        assert Batch.objects.get(pk=batch.pk).state == "in_progress", "the second one left at once"
    assert batch.completed == len(ledger(store)) == 8
    turn(batch)
    assert batch.completed == 8, "a batch that is over is left alone"
