"""Files of batches: lists, bytes, bounds, ends; and what a bad request names."""

from __future__ import annotations

import io
from datetime import timedelta

import openai
import pytest
from django.utils import timezone

from inference.batch_models import Batch, BatchFile
from inference.batches import actions as batches
from inference.batches import running
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.storage.drawer import drawer
from tests.contract.batches.batching import jsonl, line, make, turn, upload
from tests.portal import world


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
