"""What tests of batches share: rows and files, a turn of a worker, workers beside the test, the ledger brought up to date."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import redis
from django.db import connection

from inference import actions
from inference.actions import Serving
from inference.batch_models import Batch
from inference.batches import running
from inference.models import UsageRecord
from inference.posting import Poster, ensure_group
from tests.inference.bench import GATED, Bench
from tests.inference.gateway import rig

ROOT = Path(__file__).resolve().parents[3]
SLOW = "#ttft=400 x"


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


def makes_vectors(bench: Bench, url: str) -> None:
    serving = Serving(url, "vllm 0.32.0", "fake", 4096, True, 12, embeds=True)
    actions.serve(by=None, model=bench.gated_model, commit=bench.gated_model.revisions.get().commit, serving=serving)
    rig.settle_routes()


def ledger(store: redis.Redis) -> list[UsageRecord]:
    ensure_group(store)
    while Poster(store, "test").step(block_ms=1):
        pass
    return list(UsageRecord.objects.order_by("request_id"))


@contextmanager
def meanwhile(batch: Batch) -> Iterator[threading.Thread]:
    """A worker's turn beside the test; its connection is closed with it."""

    def work() -> None:
        try:
            running.run(batch.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()
    batch.refresh_from_db()


WORKER = """
import sys, django
django.setup()
from uuid import UUID
from inference.batches import running
running.run(UUID(sys.argv[1]))
"""


def worker(batch: Batch, gateway: rig.Gateway) -> subprocess.Popen[bytes]:
    """A worker in a process of its own, on the test's database."""
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ, "DATABASE_URL": os.environ["DATABASE_URL"].replace("/weighbridge?", f"/{name}?"),
        "WEIGHBRIDGE_MODE": "test", "GATEWAY_URL": gateway.base, "BLOB_SIGNING_KEY": "b", "INTERNAL_SECRET": rig.SECRET,
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER, str(batch.pk)], env=environment, cwd=ROOT)
