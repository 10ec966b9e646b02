"""Anchors: an edit that gets past the triggers no longer gives the root in the trail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inference import anchors, ledger, tasks
from portal.audit.models import Entry
from tests.inference.bench import event

pytestmark = pytest.mark.django_db


def past_hour() -> None:
    """Move the posted rows into an hour that has closed, as time would."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE inference_usagerecord SET posted_at = posted_at - interval '3 hours'")
        cursor.execute("SET LOCAL session_replication_role = origin")


def tamper(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_an_open_hour_is_not_anchored():
    ledger.post([event()])
    now = timezone.now()
    assert anchors.anchor_closed_hours(now.replace(minute=0) + timedelta(hours=1, seconds=30)) == 0


def test_a_closed_hour_is_anchored_once():
    ledger.post([event() for _ in range(5)])
    past_hour()
    assert tasks.anchor_closed_hours() == 1
    assert tasks.anchor_closed_hours() == 0
    entry = Entry.objects.get(event="ledger.anchored")
    assert (entry.target_id, entry.data["rows"]) == ("usage", 5)
    assert anchors.verify() == []


def test_the_next_hours_go_on_from_the_last():
    ledger.post([event()])
    past_hour()
    tasks.anchor_closed_hours()
    ledger.post([event()])
    assert anchors.anchor_closed_hours(timezone.now() + timedelta(hours=2)) == 1
    assert anchors.verify() == []


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE inference_usagerecord SET prompt_tokens = 1 WHERE request_id = (SELECT min(request_id) FROM inference_usagerecord)",
        "DELETE FROM inference_usagerecord WHERE request_id = (SELECT max(request_id) FROM inference_usagerecord)",
        "DELETE FROM inference_usagerecord",
        "UPDATE inference_usagerecord SET request_id = request_id || 'x'",
    ],
)
def test_every_edit_is_found(edit):
    ledger.post([event() for _ in range(4)])
    past_hour()
    tasks.anchor_closed_hours()
    tamper(edit)
    assert len(anchors.verify()) == 1


def test_an_added_row_is_found():
    ledger.post([event()])
    past_hour()
    tasks.anchor_closed_hours()
    ledger.post([event()])
    tamper("UPDATE inference_usagerecord SET posted_at = (SELECT min(posted_at) FROM inference_usagerecord)")
    assert len(anchors.verify()) == 1


@pytest.mark.parametrize("count", range(9))
def test_roots_differ_with_every_row(count):
    rows = [{"n": n} for n in range(count)]
    roots = {anchors.root_of(rows[:length])[1] for length in range(count + 1)}
    assert len(roots) == count + 1
    assert anchors.root_of(reversed(rows))[1] != anchors.root_of(rows)[1] or count < 2


def test_partitions_and_reconciliation_run_by_themselves():
    tasks.make_partitions()
    tasks.reconcile_usage()
