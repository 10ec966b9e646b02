"""Signed roots: the trail cannot be rewritten as a whole either, and the first bad entry is named."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from portal import signing
from portal.audit import roots, trail
from portal.audit.events import Event
from portal.audit.models import Entry, Root

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _key(settings):
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"


def past_the_triggers(statement, params=()):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, params)
        cursor.execute("SET LOCAL session_replication_role = origin")


def days(count, entries=3):
    """Some entries on each of `count` days, and the root of every day but the last."""
    for day in range(count):
        with time_machine.travel(MONDAY + day * DAY, tick=False):
            for number in range(entries):
                trail.record(Event.USER_UPDATED, by=None, target=f"people.user:{day}-{number}")
    return roots.sign_closed_days(MONDAY + (count - 1) * DAY)


def relinked():
    """What a forger who owns the database can do: compute every seal anew."""
    previous = trail.GENESIS
    for entry in Entry.objects.filter(position__isnull=False).order_by("position"):
        digest = trail.digest_of(entry)
        previous = trail._link(previous, digest, entry.position)
        past_the_triggers("UPDATE audit_entry SET digest = %s, seal = %s WHERE id = %s", [digest, previous, entry.pk])


def test_each_closed_day_has_one_root_that_follows_from_the_one_before():
    assert days(4) == 3
    assert roots.sign_closed_days(MONDAY + 3 * DAY) == 0, "signing twice signs nothing"
    assert [(root.first, root.last) for root in Root.objects.all()] == [(1, 3), (4, 6), (7, 9)]
    assert roots.verify() == (3, [])


def test_a_quiet_day_has_no_root_and_breaks_nothing():
    days(1)
    with time_machine.travel(MONDAY + 5 * DAY, tick=False):
        trail.record(Event.USER_UPDATED, by=None, target="people.user:x")
    assert roots.sign_closed_days(MONDAY + 7 * DAY) == 2
    assert roots.verify() == (2, [])


def test_without_a_key_the_days_wait_for_one(settings):
    settings.RECEIPT_SIGNING_KEY = ""
    assert days(3) == 0
    settings.RECEIPT_SIGNING_KEY = "found at last"
    assert roots.sign_closed_days(MONDAY + 2 * DAY) == 2


def test_a_chain_that_was_rewritten_as_a_whole_verifies_and_its_root_does_not():
    days(3)
    past_the_triggers("UPDATE audit_entry SET actor = 'eve' WHERE position = 2")
    relinked()
    assert trail.verify()[2] == []
    findings = roots.verify()[1]
    assert findings[0] == "The root of 2026-11-23 saw another seal at entry 3."


def test_entries_cut_off_the_end_are_missed():
    days(3)
    past_the_triggers("DELETE FROM audit_entry WHERE position > 5")
    assert trail.verify()[2] == []
    assert "ends with entry 6, which the trail does not have" in roots.verify()[1][0]


@pytest.mark.parametrize(
    ("forgery", "fault"),
    [
        ("UPDATE audit_root SET last = 5 WHERE last = 6", "is not the day and entries that it signs"),
        ("DELETE FROM audit_root WHERE first = 4", "does not follow from the root before it"),
        ("UPDATE audit_root SET signature = 'eA==' WHERE first = 4", "does not carry its key's signature"),
    ],
)
def test_a_forged_root_is_found(forgery, fault):
    days(4)
    past_the_triggers(forgery)
    assert any(fault in finding for finding in roots.verify()[1])


def test_a_root_under_another_key_is_ours_only_when_the_operator_says_so(settings):
    days(2)
    former = signing.public_key()
    settings.RECEIPT_SIGNING_KEY = "a new one"
    assert "is signed by a key that is not ours" in roots.verify()[1][0]
    assert roots.verify(former_keys=[former]) == (1, [])


def test_the_database_refuses_to_edit_a_root():
    days(2)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_root")


@pytest.mark.parametrize(
    ("forgery", "first_bad"),
    [
        (["UPDATE audit_entry SET actor = 'eve' WHERE position = 4"], 4),
        (["DELETE FROM audit_entry WHERE position = 4"], 5),
        (
            [
                "UPDATE audit_entry SET position = -position WHERE position IN (4, 5)",
                "UPDATE audit_entry SET position = 9 + position WHERE position IN (-4, -5)",
            ],
            5,
        ),
        (
            [
                "UPDATE audit_entry SET position = -1 - position WHERE position >= 4",
                "UPDATE audit_entry SET position = -position WHERE position < 0",
                "INSERT INTO audit_entry (at, event, actor_id, actor, salt, commitment, target_type, target_id, lab, data,"
                " digest, position, seal) SELECT at, event, actor_id, actor, salt, commitment, target_type, target_id, lab, data,"
                " digest, 4, seal"
                " FROM audit_entry WHERE position = 3",
            ],
            "inserted",
        ),
    ],
    ids=["edited", "deleted", "reordered", "inserted"],
)
def test_the_command_names_the_first_bad_entry(forgery, first_bad):
    days(2, entries=5)
    trail.seal()
    ids = dict(Entry.objects.values_list("position", "pk"))
    for statement in forgery:
        past_the_triggers(statement)
    bad = Entry.objects.latest("pk").pk if first_bad == "inserted" else ids[first_bad]
    with pytest.raises(CommandError, match=rf"The first bad entry is {bad}\."):
        call_command("verify_audit", stderr=io.StringIO())


def test_anybody_reads_the_roots_and_checks_them_without_us(client):
    days(3)
    told = client.get("/audit/roots.json").json()
    assert [root["document"]["day"] for root in told["roots"]] == ["2026-11-24", "2026-11-23"]
    for root in told["roots"]:
        seal = root["ed25519"]
        assert seal["public_key"] == told["public_key"]
        assert signing.sealed(root["document"], key_id=seal["public_key"], signature=seal["signature"])
    assert told["next"] is None
    assert client.get("/audit/roots.json?page=x").status_code == 200


def test_roots_come_a_hundred_at_a_time(client, django_assert_num_queries):
    days(103, entries=1)
    with django_assert_num_queries(2):
        told = client.get("/audit/roots.json").json()
    assert (len(told["roots"]), told["next"]) == (100, "/audit/roots.json?page=2")
    assert len(client.get(told["next"]).json()["roots"]) == 2
