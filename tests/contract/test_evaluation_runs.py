"""A release manager measures a revision on the lab's own pool: batch, gateway, listener, ledger and receipts are real. Only
the engine is a fake, whose chances follow from the words, so that every value can be reckoned beside it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from inference import actions as serving
from inference.batch_models import Batch
from inference.batches import actions as batches
from inference.batches import running
from inference.contract import Limits
from inference.evaluating import actions, collecting
from inference.evaluation_models import EvaluationRun
from inference.models import UsageRecord
from inference.receipt_models import QueryReceipt
from inference.tasks import follow_evaluations
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.outbox import delivery
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind, Scope
from releases.evaluation_models import Score
from releases.evaluations import actions as scores
from releases.models import Revision
from releases.storage.drawer import drawer
from tests.contract.batches.batching import ledger, meanwhile, worker
from tests.fakes.engine import chance_of, tokens_of
from tests.inference.bench import Bench
from tests.inference.gateway import rig
from tests.portal import world
from tests.portal.world import browser

HEAD = {"task": "capitals", "type": "multiple_choice", "licence": "CC-BY-4.0", "version": "1", "shots": 0}
CITIES = ("Lyon", "Paris", "Rome of old", "Vienna", "Tallinn")


@pytest.fixture(autouse=True)
def key(settings: Any) -> None:
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"


@pytest.fixture
def token(bench: Bench) -> AccessToken:
    """The manager's own, for their personal project: the model is open."""
    made = tokens.issue(by=bench.world.manager, kind=Kind.QUERY, label="evaluations")[0]
    plenty = Limits(requests_per_minute=600_000, tokens_per_minute=60_000_000, concurrency=64)
    serving.set_allowance(by=None, project=made.project, limits=plenty)
    return made


@pytest.fixture
def revision(bench: Bench, token: AccessToken) -> Revision:
    return bench.open_model.revisions.get()


def lines(*told: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in told)


def capitals(count: int = 12, *, order: str = "", **head: Any) -> bytes:
    items = [
        {
            "id": f"q{n}",
            "context": f"{order}Question {n}: the capital is",
            "choices": list(CITIES),
            "answer": n % len(CITIES),
        }
        for n in range(count)
    ]
    return lines(HEAD | head, *items)


def begin(bench: Bench, revision: Revision, content: bytes, **more: Any) -> EvaluationRun:
    return actions.begin(by=bench.world.manager, revision=revision, content=content, **more)


def finished(run: EvaluationRun, store: redis.Redis) -> EvaluationRun:
    """The worker's turn, the ledger brought up to date, and the run followed."""
    running.run(run.batch)
    ledger(store)
    return actions.follow(run=EvaluationRun.objects.drawn().get(pk=run.pk))


def kept(run: EvaluationRun, file: str) -> bytes:
    with drawer().open(run.drawer_name(file)) as source:
        return source.read()


def likelihood(text: str) -> float:
    """Of what stands behind a context, by the fake engine's own rule."""
    return math.fsum(chance_of(word) for word in tokens_of(text)[1:])


def test_a_manager_measures_a_revision_and_its_scores_carry_batch_weights_and_receipts(bench, revision, store, token):
    run = begin(bench, revision, capitals())
    run = finished(run, store)
    assert (run.state, run.marked, run.unmarked) == ("scored", 12, 0)
    sums = [likelihood(f" {city}") for city in CITIES]
    best = sums.index(max(sums))
    by_length = [nats / len(city) for nats, city in zip(sums, CITIES, strict=True)]
    best_by_length = by_length.index(max(by_length))
    told = {one["metric"]: one for one in run.results}
    for metric, picked in (("acc", best), ("acc_norm", best_by_length)):
        share = sum(n % len(CITIES) == picked for n in range(12)) / 12
        assert told[metric]["value"] == pytest.approx(share)
        assert told[metric]["stderr"] == pytest.approx(math.sqrt(share * (1 - share) / 11))
    first = json.loads(kept(run, "answers").splitlines()[0])
    assert first["loglikelihoods"] == pytest.approx(sums)
    assert not Score.objects.exists(), "it waits for the manager's word"

    run = actions.attach(run=run, by=bench.world.manager)
    score = Score.objects.get(metric="acc")
    assert (score.revision, score.n, score.shots, score.ran_by) == (revision, 12, 0, bench.world.lab.name)
    assert (score.harness, score.harness_version) == ("Weighbridge evaluation run", "1")
    assert score.task_version == f"1+{run.digest[:12]}"
    assert score.raw_url.endswith(f"/evaluations/runs/{run.pk}/answers.jsonl")
    assert all(word in score.note for word in (run.batch_wire_id, "CC-BY-4.0", run.digest, "vllm"))
    assert set(run.scores.all()) == set(Score.objects.all())
    assert (run.digest, run.licence) == (hashlib.sha256(capitals()).hexdigest(), "CC-BY-4.0")

    listed = kept(run, "receipts")
    assert hashlib.sha256(listed).hexdigest() == run.receipts_sha256
    rows = {row.request_id: row for row in UsageRecord.objects.all()}
    assert len(rows) == 12
    assert {row.token_id for row in rows.values()} == {str(token.pk)}
    assert {row.revision for row in rows.values()} == {revision.commit}
    for line in map(json.loads, listed.splitlines()):
        receipt = QueryReceipt.objects.get(document_sha256=line["receipt_sha256"])
        assert receipt.request_id == line["request"]
        assert receipt.document["tokens"]["prompt"] == rows[line["request"]].prompt_tokens > 0
        page = Client().get(reverse("agreements:find"), {"sha256": line["receipt_sha256"]}).content.decode()
        assert "This receipt is genuine" in page
    events = list(Entry.objects.filter(event__startswith="evaluation.").order_by("pk").values_list("event", flat=True))
    assert events == ["evaluation.begun", "evaluation.scored", "evaluation.attached"]


def test_texts_are_measured_in_bits_by_byte_as_reckoned_beside_it(bench, revision, store):
    texts = ["def mean(values): return sum(values)", "Tere õhtust kõigile", "import os"]
    head = {"task": "held out", "type": "texts", "licence": "CC0-1.0"}
    run = finished(begin(bench, revision, lines(head, *({"text": text} for text in texts))), store)
    told = {one["metric"]: one["value"] for one in run.results}
    nats = -math.fsum(map(likelihood, texts))
    assert told["bits_per_byte"] == pytest.approx(nats / math.log(2) / sum(len(text.encode()) for text in texts))
    words = sum(len(tokens_of(text)) - 1 for text in texts)
    assert told["token_perplexity"] == pytest.approx(math.exp(nats / words))


def test_a_greedy_answer_is_matched_word_for_word(bench, revision, store):
    head = {"task": "colours", "type": "exact_match", "licence": "CC0-1.0", "max_tokens": 1}
    items = [{"prompt": f"#text={word} The sky is", "answers": ["blue", "azure"]} for word in ("blue", "red", "azure")]
    run = finished(begin(bench, revision, lines(head, *items)), store)
    assert run.results[0]["value"] == pytest.approx(2 / 3)
    assert [json.loads(line)["text"] for line in kept(run, "answers").splitlines()] == ["blue", "red", "azure"]


def test_a_row_that_failed_is_counted_and_said_and_nothing_is_attached_without_a_word(bench, revision, store):
    content = capitals(5) + lines({"id": "bad", "context": "#status=400 x", "choices": ["a", "b"], "answer": 0})
    run = finished(begin(bench, revision, content, directly=True), store)
    assert (run.state, run.marked, run.unmarked) == ("scored", 5, 1)
    assert [one["item"] for one in run.failures] == ["bad"]
    assert run.failures[0]["why"].startswith("400")
    assert "waits for a person" in run.problem
    assert not Score.objects.exists()
    page = browser(bench.world.manager).get(run.get_absolute_url()).content.decode()
    assert "1 of 6 items has no answer and is not counted" in page
    actions.attach(run=run, by=bench.world.manager)
    score = Score.objects.get(metric="acc")
    assert score.n == 5
    assert "1 of 6 items have no answer" in score.note


def test_asked_for_directly_whole_scores_are_attached_by_the_worker(bench, revision, store):
    run = begin(bench, revision, capitals(), directly=True)
    running.run(run.batch)
    ledger(store)
    follow_evaluations()
    run.refresh_from_db()
    assert run.state == "attached"
    assert Score.objects.count() == 2
    assert follow_evaluations() == 0
    assert Entry.objects.filter(event="evaluation.attached").get().actor_id == str(bench.world.manager.pk)


def test_who_is_no_manager_any_more_attaches_nothing(bench, revision, store):
    run = begin(bench, revision, capitals(), directly=True)
    bench.world.manager.memberships.all().delete()
    run = finished(run, store)
    assert run.state == "scored"
    assert "release manager" in run.problem
    assert not Score.objects.exists()
    assert actions.due() == [], "and it is not tried for ever"


def test_a_killed_worker_and_a_second_beginning_bill_and_attach_once(bench, revision, store, gateway):
    content = capitals(40, order="#ttft=20 ")
    run = begin(bench, revision, content, directly=True)
    process = worker(Batch.objects.get(pk=run.batch), gateway)
    rig.wait_for(lambda: Batch.objects.get(pk=run.batch).answered >= 5, seconds=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Batch.objects.get(pk=run.batch).is_live
    assert begin(bench, revision, content, directly=True).pk == run.pk, "given again it goes on"
    run = finished(run, store)
    assert (run.state, run.marked, Score.objects.count()) == ("attached", 40, 2)
    rows = ledger(store)
    assert len(rows) == len({row.request_id for row in rows}) == 40
    assert (Batch.objects.count(), EvaluationRun.objects.count()) == (1, 1)
    actions.follow(run=run)
    with pytest.raises(Conflict, match="measured of this revision"):
        begin(bench, revision, content)
    assert Score.objects.count() == 2


def test_killed_while_it_is_scored_it_is_scored_again_to_the_same(bench, revision, store, monkeypatch):
    run = begin(bench, revision, capitals(), directly=True)
    running.run(run.batch)
    ledger(store)
    before = collecting.collect(run, Batch.objects.get(pk=run.batch))
    monkeypatch.setattr(actions, "_score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        actions.follow(run=run)
    monkeypatch.undo()
    run = actions.follow(run=EvaluationRun.objects.drawn().get(pk=run.pk))
    assert (run.state, run.receipts_sha256, run.answers_sha256) == (
        "attached", before.receipts_sha256, before.answers_sha256,
    )  # fmt: skip
    assert Score.objects.count() == 2


def test_until_the_ledger_has_every_request_nothing_is_scored(bench, revision, store):
    run = begin(bench, revision, capitals())
    running.run(run.batch)
    with pytest.raises(Unavailable, match="ledger"):
        actions.follow(run=run)
    assert follow_evaluations() == 1
    run.refresh_from_db()
    assert run.state == "running"
    ledger(store)
    assert follow_evaluations() == 1
    run.refresh_from_db()
    assert run.state == "scored"


@pytest.mark.parametrize("way", ["batch", "run"])
def test_of_a_cancelled_batch_nothing_is_attached(bench, revision, store, way):
    run = begin(bench, revision, capitals(60, order="#ttft=400 "), directly=True)
    batch = Batch.objects.get(pk=run.batch)
    with meanwhile(batch):
        rig.wait_for(lambda: Batch.objects.get(pk=batch.pk).completed)
        if way == "batch":
            batches.cancel(batch=batch, by=bench.world.manager)
        else:
            actions.cancel(run=run, by=bench.world.manager)
    assert batch.state == "cancelled"
    ledger(store)
    run = actions.follow(run=EvaluationRun.objects.drawn().get(pk=run.pk))
    assert run.state == ("failed" if way == "batch" else "cancelled")
    assert not Score.objects.exists()
    with pytest.raises(Conflict):
        actions.attach(run=run, by=bench.world.manager)
    delivery.deliver_due()
    with pytest.raises(FileNotFoundError):
        kept(run, "tasks")
    assert begin(bench, revision, capitals(60, order="#ttft=400 ")).pk != run.pk, "the same may be begun anew"


def test_a_batch_that_was_never_begun_fails_the_run_with_its_reason(bench, revision, store, token):
    run = begin(bench, revision, capitals())
    tokens.revoke(by=bench.world.manager, token=token)
    run = finished(run, store)
    assert run.state == "failed"
    assert "revoked" in run.problem


def test_what_its_time_ended_is_scored_as_far_as_it_came_and_waits(bench, revision, store):
    run = begin(bench, revision, capitals(4), directly=True)
    running.run(run.batch)
    ledger(store)
    batch = Batch.objects.get(pk=run.batch)
    with drawer().open(batch.output_file.hex) as source:
        first = source.readline()
    drawer().put(batch.output_file.hex, io.BytesIO(first))
    Batch.objects.filter(pk=run.batch).update(state="expired", completed=1, failed=3)
    run = actions.follow(run=run)
    assert (run.state, run.marked, run.unmarked) == ("scored", 1, 3)


def test_an_answer_of_another_revision_does_not_count(bench, revision, store):
    """The gateway answers lab/name@commit by that revision or by none; what the ledger says is asked all the same."""
    run = begin(bench, revision, capitals(3))
    running.run(run.batch)
    ledger(store)
    collected = collecting.collect(run, Batch.objects.get(pk=run.batch))
    assert collected.marked == 3
    run.revision.commit = "f" * 40
    assert {why for _item, why in collecting.collect(run, Batch.objects.get(pk=run.batch)).failures} == {
        "answered by another revision"
    }


def test_a_revision_that_is_moved_away_under_the_run_answers_no_more_rows(bench, revision, store, engine):
    run = begin(bench, revision, capitals(3))
    other = Revision.objects.create(
        model=revision.model, commit="b" * 40, tree="b" * 40, author="A", email="a@lyceum.example", message="Second",
        authored_at=revision.authored_at, state="published", checked_at=revision.checked_at, published_at=revision.published_at,
    )  # fmt: skip
    moved = serving.Serving(engine.url, "vllm 0.32.0", "fake", 4096, True, 12)
    serving.serve(by=None, model=revision.model, commit=other.commit, serving=moved)
    rig.settle_routes()
    run = finished(run, store)
    assert run.state == "failed"
    assert "revision_not_served" in run.problem


def test_no_run_begins_without_a_right_a_pool_or_a_readable_file(bench, revision, store, token, settings):
    with pytest.raises(NotAllowed):
        actions.begin(by=bench.researcher, revision=revision, content=capitals())
    with pytest.raises(Invalid) as refused:
        begin(bench, revision, b"{")
    assert "Line 1" in refused.value.fields["tasks"][0]
    with pytest.raises(Invalid) as refused:
        begin(bench, bench.gated_model.revisions.get(), capitals())
    assert refused.value.fields.keys() == {"token"}, "nobody approved the manager for the gated model"
    unserved = Revision.objects.create(
        model=revision.model, commit="c" * 40, tree="c" * 40, author="A", email="a@lyceum.example", message="Third",
        authored_at=revision.authored_at,
    )  # fmt: skip
    with pytest.raises(Invalid) as refused:
        begin(bench, unserved, capitals())
    assert "No pool serves" in refused.value.fields["revision"][0]
    tokens.revoke(by=bench.world.manager, token=token)
    with pytest.raises(Invalid) as refused:
        begin(bench, revision, capitals())
    assert "no query token" in refused.value.fields["token"][0]
    assert not Batch.objects.exists()
    assert not EvaluationRun.objects.exists()


def test_a_withdrawn_value_is_measured_again_and_a_kept_one_is_not_overwritten(bench, revision, store):
    run = actions.attach(run=finished(begin(bench, revision, capitals()), store), by=bench.world.manager)
    second = finished(begin(bench, revision, capitals(), again=True), store)
    assert actions.attach(run=second, by=bench.world.manager).state == "attached"
    assert Score.objects.count() == 2, "the same value of the same day is the same score"
    for score in Score.objects.all():
        scores.withdraw_score(score=score, reason="Wrong tasks.", by=bench.world.manager)
    third = finished(begin(bench, revision, capitals(), again=True), store)
    actions.attach(run=third, by=bench.world.manager)
    assert Score.objects.standing().count() == 2
    assert run.pk != second.pk != third.pk


# --- Pages and programs -------------------------------------------------------------------------------------------
@pytest.fixture
def attached(bench: Bench, revision: Revision, store: redis.Redis) -> EvaluationRun:
    return actions.attach(run=finished(begin(bench, revision, capitals()), store), by=bench.world.manager)


def test_everybody_reads_where_an_attached_score_was_measured_and_its_receipts(bench, attached):
    score = Score.objects.get(metric="acc")
    page = Client().get(score.get_absolute_url()).content.decode()
    assert "Measured here" in page
    assert attached.batch_wire_id in page
    assert attached.get_absolute_url() in page
    page = Client().get(attached.get_absolute_url()).content.decode()
    assert attached.receipts_sha256[8:] in page
    assert "CC-BY-4.0" in page
    assert bench.world.manager.get_full_name() not in page, "who ran it is the lab's own affair"
    place = reverse("inference:evaluation_file", args=[attached.pk, "receipts"])
    answer = Client().get(place)
    assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == attached.receipts_sha256
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert Client().get(reverse("inference:evaluation_file", args=[attached.pk, "tasks"])).status_code == 404
    keeper = browser(bench.world.manager)
    assert keeper.get(reverse("inference:evaluation_file", args=[attached.pk, "tasks"])).status_code == 200


def test_a_run_is_shown_though_the_bytes_of_its_receipts_are_gone(bench, attached):
    """A store that was restored without them: the page is there, and the file says what it is."""
    drawer().delete(attached.drawer_name("receipts"))
    page = Client().get(attached.get_absolute_url())
    assert page.status_code == 200
    assert "CC-BY-4.0" in page.content.decode()
    assert Client().get(reverse("inference:evaluation_file", args=[attached.pk, "receipts"])).status_code == 404


def test_a_score_that_was_imported_is_not_said_to_be_measured_here(bench, revision, attached):
    Score.objects.exclude(pk__in=attached.scores.values("pk")).delete()
    attached.scores.clear()
    score = Score.objects.first()
    assert "Measured here" not in Client().get(score.get_absolute_url()).content.decode()


def test_to_strangers_a_run_that_is_not_attached_is_not_there(bench, revision, store, django_user_model):
    run = finished(begin(bench, revision, capitals()), store)
    other = world.build("harbour")
    addresses = [
        run.get_absolute_url(), reverse("inference:evaluation_file", args=[run.pk, "answers"]),
        reverse("inference:evaluation_runs", args=["lyceum", revision.model.name]),
    ]  # fmt: skip
    for person in (bench.researcher, other.manager, bench.world.reviewers[0]):
        client = browser(person)
        assert {client.get(address).status_code for address in addresses} == {404}
        assert client.post(run.get_absolute_url(), {"verb": "attach"}).status_code == 404
        with pytest.raises(NotAllowed):
            actions.attach(run=run, by=person)
    run.refresh_from_db()
    assert run.state == "scored"
    assert browser(bench.world.manager).get(run.get_absolute_url()).status_code == 200


def test_a_manager_begins_follows_and_attaches_on_pages(bench, revision, store):
    client = browser(bench.world.manager)
    place = reverse("inference:evaluation_runs", args=["lyceum", revision.model.name])
    sent = {"revision": revision.commit, "tasks": SimpleUploadedFile("t.jsonl", b"{")}
    answer = client.post(place, sent)
    assert answer.status_code == 422
    assert "Line 1" in answer.content.decode()
    answer = client.post(place, sent | {"tasks": SimpleUploadedFile("t.jsonl", capitals())})
    run = EvaluationRun.objects.drawn().get()
    assert answer["Location"] == run.get_absolute_url()
    page = client.get(run.get_absolute_url()).content.decode()
    assert "hx-trigger" in page
    assert "Cancel the run" in page
    run = finished(run, store)
    page = client.get(run.get_absolute_url()).content.decode()
    assert "hx-trigger" not in page
    assert "waiting for your word" in page
    assert client.post(run.get_absolute_url(), {"verb": "attach"}).status_code == 302
    assert Score.objects.count() == 2
    assert "attached" in client.get(place).content.decode()
    assert client.post(run.get_absolute_url(), {"verb": "discard"}).status_code == 409
    assert client.post(run.get_absolute_url(), {"verb": "score"}).status_code in {400, 422}


@pytest.mark.parametrize(("spaces", "told"), [((5 << 20) + 1, "Send at most 5 MiB."), (5 << 20, "The file is empty.")])
def test_a_manager_whose_file_no_page_takes_is_told_how_much_one_does(bench, revision, spaces, told):
    place = reverse("inference:evaluation_runs", args=["lyceum", revision.model.name])
    sent = {"revision": revision.commit, "tasks": SimpleUploadedFile("t.jsonl", b" " * spaces)}
    answer = browser(bench.world.manager).post(place, sent)
    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_a_program_does_the_same_with_a_manage_token(bench, revision, store):
    secret = tokens.issue(by=bench.world.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="ci")[1]
    client = Client(headers={"authorization": f"Bearer {secret}"})
    place = f"/api/v1/models/lyceum/{revision.model.name}/evaluation-runs"
    body = {"revision": revision.commit[:12], "tasks": capitals(3).decode()}
    answer = client.post(place, body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    name = answer.json()["id"]
    finished(EvaluationRun.objects.get(), store)
    told = client.get(f"/api/v1/evaluation-runs/{name}").json()
    assert (told["state"], told["marked"], told["licence"]) == ("scored", 3, "CC-BY-4.0")
    assert client.post(f"/api/v1/evaluation-runs/{name}/discard").json()["state"] == "discarded"
    assert client.post(f"/api/v1/evaluation-runs/{name}/attach").status_code == 409
    assert client.get(place).json()["count"] == 1
    wrong = client.post(place, {"tasks": "{"}, content_type="application/json")
    assert wrong.status_code == 400
    assert "Line 1" in str(wrong.json()["fields"]["tasks"])
    assert not Score.objects.exists()


def test_the_command_measures_goes_on_and_says_what_came_out(
    bench, revision, store, tmp_path: Path, capsys, monkeypatch
):
    file = tmp_path / "capitals.jsonl"
    file.write_bytes(capitals(4))
    said = {"tasks": file, "by": bench.world.manager.email, "work": True}
    call_command("run_evaluation", "lyceum/pico-opt-1m", no_wait=True, **said)
    assert "running" in capsys.readouterr().out
    run = EvaluationRun.objects.get()
    running.run(run.batch)
    ledger(store)
    call_command("run_evaluation", "lyceum/pico-opt-1m", attach=True, **said)
    told = capsys.readouterr().out
    assert str(run.pk) in told
    assert "capitals acc: " in told
    assert "n = 4" in told
    run.refresh_from_db()
    assert run.state == "attached", "asked for the second time"
    with pytest.raises(CommandError, match="nobody with the address"):
        call_command("run_evaluation", "lyceum/pico-opt-1m", tasks=file, by="nobody@lyceum.example")
    with pytest.raises(CommandError, match="no revision"):
        call_command("run_evaluation", "lyceum/none", **said)
    file.write_bytes(b"{")
    with pytest.raises(CommandError, match="Line 1"):
        call_command("run_evaluation", "lyceum/pico-opt-1m", **said)
