from __future__ import annotations

import openai
import pytest

from inference.batch_models import Batch
from inference.batches import actions as batches
from inference.batches import running, stand_ins
from tests.contract.batches.batching import jsonl, line, make
from tests.inference.bench import Bench


@pytest.fixture
def client(bench: Bench, portal_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{portal_url}/v1", api_key=bench.secret, max_retries=0, timeout=60)


@pytest.fixture
def stand_in(bench, client) -> tuple[Batch, str]:
    batch = make(client, jsonl(line(1), line(2)))
    assert batches.begin(pk=batch.pk, found=running._survey(batch))
    return batch, stand_ins.Held.of(batch.pk).secret
