"""Batches for people: whose they are, how far they are, the button that stops one, and their files."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference.batch_models import Batch, BatchFile
from inference.batches import actions
from inference.batches.rows import Problem, Survey
from portal.errors import Conflict
from tests.inference.bench import GATED, Bench
from tests.portal import world
from tests.portal.world import browser

LIST = reverse("inference:batches")


def made(bench: Bench, **fields) -> Batch:
    file = actions.upload(
        by=bench.researcher, project=bench.project, name="a.jsonl", source=io.BytesIO(b"{}\n"), size=3
    )
    batch = actions.create(
        by=bench.researcher, token=bench.token, project=bench.project, endpoint="/v1/completions", input_file=file.pk,
        metadata={},
    )  # fmt: skip
    Batch.objects.filter(pk=batch.pk).update(**fields)
    batch.refresh_from_db()
    return batch


@pytest.fixture
def running(bench: Bench) -> Batch:
    return made(
        bench, state="in_progress", began_at=timezone.now() - timedelta(minutes=10), total=10_000, completed=2_490, failed=10,
        model=GATED,
    )  # fmt: skip


def test_a_member_sees_how_far_a_batch_is(bench, running):
    page = browser(bench.researcher).get(running.get_absolute_url()).content.decode()
    for words in ("10,000", "2,490", running.wire_id, "running", "Cancel the batch"):
        assert words in page, words
    assert "hx-trigger" in page, "it keeps itself up to date"


def test_how_fast_it_was_is_said_per_minute(bench):
    end = timezone.now()
    times = {"began_at": end - timedelta(minutes=10), "finalizing_at": end, "ended_at": end}
    batch = made(bench, state="completed", total=2_500, completed=2_500, model=GATED, **times)
    assert "250.0" in browser(bench.researcher).get(batch.get_absolute_url()).content.decode()


def test_nobody_else_sees_it_nor_stops_it(bench, running):
    for user in (world.person("Ida Fremd"), bench.world.manager):
        client = browser(user)
        assert running.wire_id not in client.get(LIST).content.decode()
        assert client.get(running.get_absolute_url()).status_code == 404
        assert client.post(running.get_absolute_url()).status_code == 404
        assert client.get(reverse("inference:batch_file", args=[running.pk, "input"])).status_code == 404
    running.refresh_from_db()
    assert running.state == "in_progress"


def test_the_button_cancels_and_is_gone_after_it(bench, running):
    client = browser(bench.researcher)
    page = client.post(running.get_absolute_url(), follow=True).content.decode()
    running.refresh_from_db()
    assert running.state == "cancelling"
    assert "Cancel the batch" not in page
    assert "being cancelled" in page


def test_a_batch_that_failed_says_in_which_line(bench):
    batch = made(bench)
    actions.begin(pk=batch.pk, found=Survey(problems=[Problem("invalid_json_line", "This line is not JSON.", 1_234)]))
    page = browser(bench.researcher).get(batch.get_absolute_url()).content.decode()
    assert "1,234" in page
    assert "This line is not JSON." in page
    with pytest.raises(Conflict):
        actions.cancel(batch=batch, by=bench.researcher)


def test_its_files_are_downloads_and_are_gone_with_their_time(bench, running):
    client, place = browser(bench.researcher), reverse("inference:batch_file", args=[running.pk, "input"])
    answer = client.get(place)
    assert b"".join(answer.streaming_content) == b"{}\n"
    assert (answer["Content-Disposition"], answer["X-Content-Type-Options"]) == (
        'attachment; filename="a.jsonl"',
        "nosniff",
    )
    assert client.get(reverse("inference:batch_file", args=[running.pk, "output"])).status_code == 404
    BatchFile.objects.update(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now())
    assert client.get(place).status_code == 404
    assert "None any more" in client.get(running.get_absolute_url()).content.decode()


def test_the_list_costs_the_same_for_one_batch_and_for_many(bench):
    client = browser(bench.researcher)
    assert "No batch yet" in client.get(LIST).content.decode()
    made(bench)
    with CaptureQueriesContext(connection) as one:
        client.get(LIST)
    for _ in range(20):
        made(bench)
    with CaptureQueriesContext(connection) as many:
        assert client.get(LIST).content.decode().count("file is being read") == 21
    assert len(many) == len(one)
