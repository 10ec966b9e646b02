"""The audit trail: whoever edits it is found out."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from portal.audit import trail
from portal.audit.events import Event
from portal.audit.models import Entry

pytestmark = pytest.mark.django_db(transaction=True)

ATTACKS = [
    "UPDATE audit_entry SET actor = 'eve'",
    "UPDATE audit_entry SET data = '{}' WHERE id = (SELECT min(id) FROM audit_entry)",
    "UPDATE audit_entry SET position = NULL, seal = ''",
    "UPDATE audit_entry SET position = position + 10",
    "UPDATE audit_entry SET event = 'x', position = 99, seal = 'x' WHERE position IS NULL",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
]


@pytest.fixture(autouse=True)
def _forget():
    """The table refuses DELETE and TRUNCATE, also the test runner's: switch its triggers off around each test."""
    _empty()
    yield
    _empty()


def _empty():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM audit_entry")


def _as_superuser(statement, params=()):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, params)


def _write(count, start=0):
    for number in range(start, start + count):
        trail.record(Event.USER_UPDATED, by=None, target=f"people.user:{number}", number=number)


def test_an_untouched_trail_verifies():
    _write(5)
    assert trail.seal() == 5
    _write(2, start=5)
    assert trail.verify() == (5, 2, [])


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_refuses_to_edit_an_entry(attack):
    _write(3)
    trail.seal()
    _write(1, start=3)
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(attack)
    assert trail.verify()[2] == []


@pytest.mark.parametrize(
    ("forgery", "problem"),
    [
        ("UPDATE audit_entry SET actor = 'eve' WHERE position = 3", "content"),
        ("DELETE FROM audit_entry WHERE position = 3", "position"),
        ("UPDATE audit_entry SET position = 100 - position WHERE position IN (2, 3)", "position"),
        ("UPDATE audit_entry SET actor = 'eve' WHERE position IS NULL", "content"),
    ],
)
def test_a_forgery_past_the_triggers_is_found(forgery, problem):
    _write(5)
    trail.seal()
    _write(1, start=5)
    _as_superuser(forgery)
    findings = trail.verify()[2]
    assert findings
    assert any(problem in finding.problem for finding in findings)


def test_a_forged_entry_with_a_matching_digest_still_breaks_the_seal():
    _write(3)
    trail.seal()
    entry = Entry.objects.get(position=2)
    entry.actor = "eve"
    _as_superuser("UPDATE audit_entry SET actor = 'eve', digest = %s WHERE position = 2", [trail.digest_of(entry)])
    assert any("seal" in finding.problem for finding in trail.verify()[2])


def test_many_writers_and_two_sealers_leave_one_unbroken_chain():
    def work(start):
        try:
            _write(25, start=start)
            trail.seal()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n * 100,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while trail.seal():
        pass
    assert trail.verify() == (150, 0, [])


def test_a_rolled_back_action_leaves_no_entry():
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the rollback is what is tested
        _write(1)
        raise RuntimeError
    assert Entry.objects.count() == 0
