"""What tests of batches share: the ledger brought up to date, and workers beside the test."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from django.db import connection

from inference.batch_models import Batch
from inference.batches import running
from inference.models import UsageRecord
from inference.posting import Poster, ensure_group
from tests.inference.gateway import rig

ROOT = Path(__file__).resolve().parents[2]


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
