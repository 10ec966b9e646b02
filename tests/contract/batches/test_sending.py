"""A file of requests becomes a file of answers: what is taken, what is refused, and that each row is billed once.

OpenAI's unmodified client, the portal's own port, a gateway process, the control plane's listener and a worker's turn are
real. Only the engine is a fake."""

from __future__ import annotations

import openai
from django.core import mail

from inference.batch_models import Batch, BatchFile, StandIn
from portal.mail.models import Choice
from portal.outbox.delivery import deliver_due
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.actions import rename_model
from tests.contract.batches.batching import jsonl, ledger, line, make, results, turn, upload
from tests.inference.bench import GATED, OPEN
from tests.inference.gateway.rig import settle_routes
from tests.portal import world


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


def test_the_letter_of_a_batch_says_until_when_its_files_are_kept(bench, client):
    """The answers'; of a batch that failed, and so has none, the file that was sent."""
    done, failed = turn(make(client, jsonl(line(1)))), turn(make(client, b"\n"))
    letters = [sent.body for sent in mail.outbox if "batch" in sent.subject]
    kept = [BatchFile.objects.get(pk=pk).expires_at for pk in (done.output_file, failed.input_file)]
    for letter, at in zip(letters, kept, strict=True):
        assert f"until {at:%-d %b %Y, %H:%M} UTC; then they are deleted" in letter.replace("\xa0", " ")


def test_a_batch_that_names_a_model_by_its_former_name_is_answered(bench, client, store):
    """It was renamed after the file was made: each row would have been told that there is no such model. Nor does it matter
    in which spelling: the Hub's clients take any."""
    spelt = GATED.replace("pico", "Pico")
    batch = make(client, jsonl(*(line(n, model=spelt) for n in range(1, 4))))
    renamed = rename_model(model=bench.gated_model, lab=bench.world.lab, name="renamed", by=bench.world.manager)
    deliver_due()
    settle_routes()
    turn(batch)
    assert client.batches.retrieve(batch.wire_id).status == "completed"
    assert {each["response"]["status_code"] for each in results(client, batch)} == {200}
    assert {row.model for row in ledger(store)} == {renamed.full_name}


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


def test_a_batch_of_which_the_gateway_would_take_no_row_fails_at_once(bench, client, engine):
    batch = turn(make(client, jsonl(line(1, max_token=0), line(2, max_token=0))))
    told = client.batches.retrieve(batch.wire_id)
    assert (told.status, [(each.line, each.param) for each in told.errors.data]) == (
        "failed", [(1, "body.max_token"), (2, "body.max_token")],
    )  # fmt: skip
    assert "Do you mean max_tokens?" in told.errors.data[0].message
    assert engine.truth()["prompt"] == 0


def test_its_owner_is_told_by_mail_at_their_own_pace(client, bench, mailoutbox):
    mailoutbox.clear()
    turn(make(client, jsonl(line(1))))
    assert [mail.subject for mail in mailoutbox] == ["Your batch is complete"]
    Choice.objects.create(user=bench.researcher, topic="queries", pace="off")
    turn(make(client, b"{"))
    assert len(mailoutbox) == 1
