"""Batches of embeddings."""

from __future__ import annotations

import httpx
import openai

from inference.batch_models import Batch
from tests.contract.batches.batching import jsonl, ledger, makes_vectors, results, turn, upload
from tests.inference.bench import GATED


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
