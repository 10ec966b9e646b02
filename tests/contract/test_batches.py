"""OpenAI's files and batches with the unmodified client: the portal's own port, a gateway process, the control plane's
listener and a worker's turn are real. Only the engine is a fake."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import openai
import pytest
from django.db import connection
from django.utils import timezone

from inference import actions, contract
from inference.actions import Serving
from inference.batch_models import Batch, BatchFile, StandIn
from inference.batches import actions as batches
from inference.batches import running, standing, tries
from inference.contract import Limits
from inference.gateway.counters import counter_of
from portal.access import actions as access
from portal.mail.models import Choice
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.erasure_models import ErasureRequest
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.storage.drawer import drawer
from tests.contract.batching import ledger, meanwhile, worker
from tests.inference.bench import GATED, OPEN, Bench, serve
from tests.inference.gateway import rig
from tests.portal import world

ROOT = Path(__file__).resolve().parents[2]
COUNT = 10_000


@pytest.fixture
def client(bench: Bench, portal_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{portal_url}/v1", api_key=bench.secret, max_retries=0, timeout=60)


def line(number: int, *, prompt: str = "def f(", model: str = GATED, **body) -> dict:
    asked = {"model": model, "prompt": f"{prompt} {number}", "max_tokens": 3, **body}
    return {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/completions", "body": asked}


def jsonl(*lines: dict) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def upload(client: openai.OpenAI, content: bytes, name: str = "rows.jsonl") -> str:
    return client.files.create(file=(name, io.BytesIO(content)), purpose="batch").id


def make(client: openai.OpenAI, content: bytes, **more) -> Batch:
    made = client.batches.create(
        input_file_id=upload(client, content), endpoint="/v1/completions", completion_window="24h", **more
    )
    return Batch.objects.get(pk=made.id.removeprefix("batch_"))


def turn(batch: Batch) -> Batch:
    running.run(batch.pk)
    batch.refresh_from_db()
    return batch


def results(client: openai.OpenAI, batch: Batch, field: str = "output_file_id") -> list[dict]:
    file = getattr(client.batches.retrieve(batch.wire_id), field)
    return [json.loads(each) for each in client.files.content(file).text.splitlines()] if file else []


def test_a_researcher_sends_a_file_of_requests_and_gets_a_file_of_answers(bench, client, store, engine):
    batch = make(client, jsonl(*(line(n) for n in range(1, 9))), metadata={"study": "pilot"})
    assert client.batches.retrieve(batch.wire_id).status == "validating"
    turn(batch)
    seen = client.batches.retrieve(batch.wire_id)
    assert (seen.status, seen.metadata, seen.error_file_id) == ("completed", {"study": "pilot"}, None)
    assert (seen.request_counts.total, seen.request_counts.completed, seen.request_counts.failed) == (8, 8, 0)
    assert seen.created_at <= seen.in_progress_at <= seen.finalizing_at <= seen.completed_at <= seen.expires_at
    answers = results(client, batch)
    assert [each["custom_id"] for each in answers] == [f"row-{n}" for n in range(1, 9)]
    assert {each["response"]["status_code"] for each in answers} == {200}
    assert all(
        each["error"] is None and each["response"]["body"]["usage"]["completion_tokens"] == 3 for each in answers
    )
    rows = ledger(store)
    assert {row.request_id for row in rows} == {each["response"]["request_id"] for each in answers}
    assert {(row.token_id, row.user_id, row.status) for row in rows} == {
        (str(bench.token.pk), str(bench.researcher.pk), "ok")
    }
    assert (
        sum(row.tokens for row in rows)
        == seen.usage.total_tokens
        == sum(engine.truth()[k] for k in ("prompt", "generation"))
    )
    assert not StandIn.objects.exists()
    assert not list(store.scan_iter("wb:answer:*")), "the gateway's copies go when the worker has them"


def test_chat_goes_too_and_an_empty_batch_fails_with_the_reason(bench, client):
    asked = {"model": GATED, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    chat = jsonl({"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": asked})
    made = client.batches.create(
        input_file_id=upload(client, chat), endpoint="/v1/chat/completions", completion_window="24h"
    )
    batch = turn(Batch.objects.get(pk=made.id.removeprefix("batch_")))
    assert results(client, batch)[0]["response"]["body"]["choices"][0]["message"]["content"]
    empty = turn(make(client, b"\n"))
    seen = client.batches.retrieve(empty.wire_id)
    assert (seen.status, seen.errors.data[0].code, seen.output_file_id) == ("failed", "empty_file", None)


def vectors(client: openai.OpenAI, number: int, **body) -> Batch:
    """A batch of so many embeddings."""
    asked = [{"model": GATED, "input": ["one two", f"three {n}"], **body} for n in range(number)]
    content = jsonl(
        *(
            {"custom_id": f"v-{n}", "method": "POST", "url": "/v1/embeddings", "body": each}
            for n, each in enumerate(asked)
        )
    )
    made = client.batches.create(
        input_file_id=upload(client, content), endpoint="/v1/embeddings", completion_window="24h"
    )
    return Batch.objects.get(pk=made.id.removeprefix("batch_"))


def makes_vectors(bench: Bench, url: str) -> None:
    serving = Serving(url, "vllm 0.32.0", "fake", 4096, True, 12, embeds=True)
    actions.serve(by=None, model=bench.gated_model, commit=bench.gated_model.revisions.get().commit, serving=serving)
    rig.settle_routes()


def test_inputs_become_vectors_and_each_row_is_billed_by_its_input_alone(bench, client, store, engine):
    makes_vectors(bench, engine.url)
    batch = turn(vectors(client, 3, encoding_format="float"))
    answers = results(client, batch)
    assert [each["custom_id"] for each in answers] == ["v-0", "v-1", "v-2"]
    assert {len(each["response"]["body"]["data"]) for each in answers} == {2}
    rows = ledger(store)
    assert {row.request_id for row in rows} == {each["response"]["request_id"] for each in answers}
    assert {(row.endpoint, row.status, row.prompt_tokens, row.completion_tokens) for row in rows} == {
        ("embeddings", "ok", 6, 0)
    }
    usage = client.batches.retrieve(batch.wire_id).usage
    assert (usage.input_tokens, usage.output_tokens) == (18, 0)
    assert engine.truth()["prompt"] == 18
    receipt = httpx.get(
        f"{client.base_url.copy_with(path='/api/v1/receipts/')}{rows[0].request_id}",
        headers={"Authorization": f"Bearer {bench.secret}"},
    ).json()
    assert receipt["document"]["endpoint"] == "embeddings"


def test_rows_of_vectors_that_a_model_cannot_make_are_answered_with_the_reason_and_cost_nothing(bench, client, store):
    batch = turn(vectors(client, 1))
    (failed,) = results(client, batch, "error_file_id")
    assert failed["response"]["body"]["error"]["code"] == "not_supported_by_model"
    assert ledger(store) == []


def test_what_is_wrong_is_told_by_line_and_nothing_is_sent(bench, client, engine):
    batch = turn(make(client, jsonl(line(1), line(1), {**line(2), "url": "/v1/embeddings"}) + b"\xff\n"))
    problems = client.batches.retrieve(batch.wire_id).errors.data
    assert [(each.line, each.code) for each in problems] == [
        (2, "duplicate_custom_id"), (3, "mismatched_url"), (4, "invalid_json_line"),
    ]  # fmt: skip
    assert engine.truth()["prompt"] == 0


def test_a_model_that_may_not_be_queried_fails_the_batch_with_the_way_to_it(bench, portal_url, engine):
    secret = tokens.issue(by=world.person("Ida Fremd"), kind=Kind.QUERY, label="x")[1]
    stranger = openai.OpenAI(base_url=f"{portal_url}/v1", api_key=secret, max_retries=0)
    assert turn(make(stranger, jsonl(line(1)))).problems[0]["code"] == "model_not_found"
    assert turn(make(stranger, jsonl(line(1, model="nobody/nothing")))).problems[0]["code"] == "model_not_found"
    assert turn(make(stranger, jsonl(line(1, model=OPEN)))).state == "completed"


def test_a_row_that_the_gateway_refuses_is_in_the_file_of_errors_and_costs_nothing(bench, client, store):
    bad = line(2, temperature=9)
    batch = turn(make(client, jsonl(line(1), bad, line(3))))
    assert (batch.state, batch.completed, batch.failed) == ("completed", 2, 1)
    error = results(client, batch, "error_file_id")
    assert [(each["custom_id"], each["response"]["status_code"]) for each in error] == [("row-2", 400)]
    assert error[0]["response"]["body"]["error"]["param"] == "temperature"
    assert len(ledger(store)) == 2


def test_what_an_engine_breaks_is_tried_again_and_then_told(bench, client, store, monkeypatch):
    monkeypatch.setattr(tries, "PATIENCE_S", 0.5)
    batch = turn(make(client, jsonl(line(1), line(2, prompt="#status=500 x"))))
    assert (batch.completed, batch.failed) == (1, 1)
    assert results(client, batch, "error_file_id")[0]["response"]["status_code"] >= 500
    assert {row.status for row in ledger(store)} == {"ok"}, "what came to nothing is not billed"


def test_a_batch_that_was_begun_ends_though_the_bound_of_rows_was_lowered_since(bench, client, settings):
    batch, late = make(client, jsonl(*(line(n) for n in range(1, 6)))), make(client, jsonl(line(1), line(2)))
    assert batches.begin(pk=batch.pk, found=running._survey(batch))
    settings.BATCH_ROWS = 1
    assert (turn(batch).state, batch.completed) == ("completed", 5)
    assert turn(late).problems[0]["code"] == "too_many_rows"


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


SLOW = "#ttft=400 x"


@pytest.mark.parametrize("change", ["token", "grant"])
def test_when_a_right_ends_in_the_middle_the_rest_answers_with_the_reason(bench, client, store, change):
    batch = make(client, jsonl(*(line(n, prompt=SLOW) for n in range(1, 25))))
    with meanwhile(batch):
        rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).completed)
        if change == "token":
            tokens.revoke(by=bench.researcher, token=bench.token)
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
    stand_in = standing.Standing.of(batch.pk)
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


# --- Attacks on the stand-in


@pytest.fixture
def stand_in(bench, client) -> tuple[Batch, str]:
    batch = make(client, jsonl(line(1), line(2)))
    assert batches.begin(pk=batch.pk, found=running._survey(batch))
    return batch, standing.Standing.of(batch.pk).secret


def ask(gateway: rig.Gateway, secret: str, **headers: str):
    client = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=secret, max_retries=0, timeout=20)
    return client.completions.with_raw_response.create(model=GATED, prompt="x", max_tokens=1, extra_headers=headers)


def test_a_stand_in_sends_rows_of_its_batch_and_nothing_else(gateway, stand_in, portal_url, store):
    batch, secret = stand_in
    with pytest.raises(openai.BadRequestError, match="Name the row"):
        ask(gateway, secret)
    for name in ("0x1", "-1", "1" * 7, "1,2", "../1"):
        with pytest.raises(openai.BadRequestError, match="Name the row"):
            ask(gateway, secret, **{"weighbridge-line": name})
    assert ask(gateway, secret, **{"weighbridge-line": "1"}).headers["x-request-id"] == contract.row_id(batch.pk.hex, 1)
    for door in ("v1/files", "api/v1/projects", "api/whoami-v2", "me/"):
        answer = httpx.get(f"{portal_url}/{door}", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code in {302, 401, 404}, door


def test_nobody_elses_header_names_a_row(gateway, bench, stand_in, store):
    batch, _secret = stand_in
    answer = ask(gateway, bench.secret, **{"weighbridge-line": "1"})
    assert answer.headers["x-request-id"].startswith("req-")
    assert not store.exists(contract.answer_key(contract.row_id(batch.pk.hex, 1)))


def test_a_stand_in_ends_with_its_owners_token(gateway, bench, stand_in, store):
    _batch, secret = stand_in
    ask(gateway, secret, **{"weighbridge-line": "1"})
    tokens.revoke(by=bench.researcher, token=bench.token)
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        ask(gateway, secret, **{"weighbridge-line": "2"})
    store.flushdb()
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        ask(gateway, secret, **{"weighbridge-line": "2"})


@pytest.mark.parametrize("change", ["time", "batch", "gone", "ended"])
def test_a_stand_in_that_is_over_opens_nothing(gateway, stand_in, change):
    batch, secret = stand_in
    if change == "time":
        StandIn.objects.update(expires_at=timezone.now())
    elif change == "batch":
        batches.cancel(batch=batch, by=None)
    elif change == "gone":
        StandIn.objects.all().delete()
    else:
        ask(gateway, secret, **{"weighbridge-line": "1"})
        standing.end(batch.pk)
    with pytest.raises(openai.AuthenticationError):
        ask(gateway, secret, **{"weighbridge-line": "2"})


def test_a_row_that_is_being_answered_is_not_answered_twice(gateway, stand_in, store, engine):
    batch, secret = stand_in
    slow = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=secret, max_retries=0, timeout=20)
    asked = {"model": GATED, "prompt": "#ttft=1500 x", "max_tokens": 1, "extra_headers": {"weighbridge-line": "1"}}
    thread = threading.Thread(target=lambda: slow.completions.create(**asked))
    thread.start()
    rig.wait_for(lambda: store.exists(contract.lease_key(contract.row_id(batch.pk.hex, 1))))
    with pytest.raises(openai.ConflictError):
        slow.completions.create(**asked)
    thread.join(20)
    assert len(ledger(store)) == 1
    assert store.zcard(contract.LEASES) == 0


# --- Files


def test_files_are_listed_read_and_deleted_and_their_bytes_go_with_them(client, bench):
    content = jsonl(line(1))
    first, second = upload(client, content, "a.jsonl"), upload(client, content, "ü ∂.jsonl")
    listed = client.files.list(purpose="batch", limit=1)
    assert [each.id for each in listed] == [second, first], "pages follow one another"
    seen = client.files.retrieve(second)
    assert (seen.filename, seen.bytes, seen.purpose, seen.status) == ("ü ∂.jsonl", len(content), "batch", "processed")
    assert client.files.content(first).content == content
    assert client.files.delete(first).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(first)
    with pytest.raises(FileNotFoundError):
        drawer().open(first.removeprefix("file-"))


def test_another_project_sees_neither_files_nor_batches(client, bench, portal_url):
    file, batch = upload(client, jsonl(line(1))), make(client, jsonl(line(1)))
    own = bench.new_token(bench.researcher)
    secrets = [tokens.issue(by=world.person("Ida Fremd"), kind=Kind.QUERY, label="x")[1]]
    secrets.append(tokens.issue(by=own.user, kind=Kind.QUERY, label="personal")[1])
    for secret in secrets:
        other = openai.OpenAI(base_url=f"{portal_url}/v1", api_key=secret, max_retries=0)
        assert not list(other.files.list())
        assert not list(other.batches.list())
        begin = {"input_file_id": file, "endpoint": "/v1/completions", "completion_window": "24h"}
        attempts = [
            (other.files.retrieve, file), (other.files.content, file), (other.files.delete, file),
            (other.batches.retrieve, batch.wire_id), (other.batches.cancel, batch.wire_id),
        ]  # fmt: skip
        for attempt, name in attempts:
            with pytest.raises(openai.NotFoundError):
                attempt(name)
        with pytest.raises(openai.NotFoundError):
            other.batches.create(**begin)
    batch.refresh_from_db()
    assert batch.state == "validating"


def test_each_cap_says_what_it_is(client, bench, settings):
    settings.BATCH_FILE_BYTES, settings.BATCH_STORED_BYTES = 2_000, 3_000
    with pytest.raises(openai.APIStatusError, match="at most 2,000 bytes") as refused:
        upload(client, b"x" * 90_000)
    assert refused.value.status_code == 413
    file = upload(client, b"x" * 1_500)
    with pytest.raises(openai.APIStatusError, match="3,000 bytes together"):
        upload(client, b"x" * 1_501)
    client.files.delete(file)
    settings.BATCH_ROWS, settings.BATCH_TOKENS = 3, 60
    assert turn(make(client, jsonl(*(line(n) for n in range(4))))).problems[0]["code"] == "too_many_rows"
    waiting = make(client, jsonl(line(1, max_tokens=40)))
    assert batches.begin(pk=waiting.pk, found=running._survey(waiting)) == "in_progress"
    assert turn(make(client, jsonl(line(1, max_tokens=40)))).problems[0]["code"] == "token_limit_exceeded"
    assert turn(waiting).state == "completed"
    assert turn(make(client, jsonl(line(1, max_tokens=40)))).state == "completed", "what is over counts no more"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"purpose": "assistants"}, "purpose"),
        ({"purpose": "batch", "extra_body": {"colour": "red"}}, "colour"),
        ({"purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 10}}, "expires_after[seconds]"),
    ],
)
def test_a_bad_upload_names_the_field(client, said, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.jsonl", io.BytesIO(jsonl(line(1)))), **said)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"), ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"a": "x" * 513}}, "metadata"), ({"metadata": {"a": "\0"}}, "metadata"),
        ({"extra_body": {"priority": 1}}, "priority"),
    ],
)  # fmt: skip
def test_a_bad_batch_names_the_field(client, said, param):
    file = upload(client, jsonl(line(1)))
    whole = {"input_file_id": file, "endpoint": "/v1/completions", "completion_window": "24h"} | said
    with pytest.raises(openai.BadRequestError) as refused:
        client.batches.create(**whole)
    assert refused.value.param == param
    assert not Batch.objects.exists()


def test_files_expire_and_one_that_is_read_stays(client, bench):
    read, idle = make(client, jsonl(line(1))), upload(client, jsonl(line(2)))
    BatchFile.objects.update(created_at=timezone.now() - timedelta(days=31), expires_at=timezone.now())
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(idle)
    assert batches.discard_expired(timezone.now()) == 1
    with pytest.raises(FileNotFoundError):
        drawer().open(idle.removeprefix("file-"))
    assert turn(read).state == "completed"
    with pytest.raises(openai.NotFoundError):
        client.files.content(f"file-{read.input_file.hex}")
    assert batches.discard_expired(timezone.now()) == 1


def test_a_file_that_a_batch_reads_is_not_deleted_and_the_client_does_not_try_again(client, bench):
    batch = make(client, jsonl(line(1)))
    with pytest.raises(openai.ConflictError) as refused:
        client.files.delete(f"file-{batch.input_file.hex}")
    assert refused.value.response.headers["x-should-retry"] == "false"


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


def test_a_batch_without_a_worker_is_called_for_again_once_a_minute(client, bench):
    batch = make(client, jsonl(line(1)))
    Message.objects.all().delete()
    assert batches.call_silent(timezone.now()) == 0
    Batch.objects.update(heard_at=timezone.now() - timedelta(minutes=2))
    assert batches.call_silent(timezone.now()) == 1
    assert batches.call_silent(timezone.now()) == 0
    assert Message.objects.filter(topic="batch.run", payload={"batch": str(batch.pk)}).count() == 1


def test_its_owner_is_told_by_mail_at_their_own_pace(client, bench, mailoutbox):
    mailoutbox.clear()
    turn(make(client, jsonl(line(1))))
    assert [mail.subject for mail in mailoutbox] == ["Your batch is complete"]
    Choice.objects.create(user=bench.researcher, topic="queries", pace="off")
    turn(make(client, b"{"))
    assert len(mailoutbox) == 1
