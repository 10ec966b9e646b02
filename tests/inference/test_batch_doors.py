"""Files and batches asked with texts that no client library sends: told what is wrong, never a fault."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from inference.batch_models import Batch, BatchFile, Purpose

HALF = r"\ud800"


@pytest.fixture
def asked(bench):
    client = Client(headers={"Authorization": f"Bearer {bench.secret}", "Accept": "application/json"})

    def ask(metadata: str):
        file = BatchFile.objects.create(
            project=bench.project, owner=bench.researcher, purpose=Purpose.BATCH, name="x", bytes=1,
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        body = (
            f'{{"input_file_id": "{file.wire_id}", "endpoint": "/v1/completions", "completion_window": "24h", '
            f'"metadata": {metadata}}}'
        )
        return client.post("/v1/batches", body, content_type="application/json")

    ask.client = client
    return ask


@pytest.mark.parametrize("metadata", [f'{{"study": "{HALF}"}}', f'{{"{HALF}": "x"}}', r'{"study": "\u0000"}'])
def test_metadata_that_cannot_be_kept_are_named(asked, metadata):
    answer = asked(metadata)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "metadata")
    assert not Batch.objects.exists()


def test_metadata_in_any_writing_are_kept(asked):
    assert asked(r'{"study": "\ud83d\ude00 é"}').json()["metadata"] == {"study": "😀 é"}


def test_a_purpose_that_no_file_can_have_finds_none(asked):
    answer = asked.client.get("/v1/files?purpose=%00")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_the_list_of_files_has_what_can_be_read_and_no_file_past_its_time(asked):
    asked("{}")
    asked("{}")
    over, held = BatchFile.objects.order_by("pk")
    BatchFile.objects.filter(pk=over.pk).update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    listed = [each["id"] for each in asked.client.get("/v1/files").json()["data"]]
    assert listed == [held.wire_id]
    assert [asked.client.get(f"/v1/files/{each.wire_id}").status_code for each in (over, held)] == [404, 200]
