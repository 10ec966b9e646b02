"""Advisory locks: one at a time, for as long as the block lasts, and through a pooler too."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from portal.postgres import locks

pytestmark = pytest.mark.django_db


def held(name: str) -> bool:
    with locks.alone(name) as alone:
        return not alone


def test_one_at_a_time_has_a_name_and_another_name_is_another_matter() -> None:
    with locks.alone("a") as first, locks.alone("a") as second, locks.alone("b") as other:
        assert (first, second, other) == (True, False, True)
    assert not held("a")


def test_it_is_let_go_where_the_block_fails() -> None:
    def fails() -> None:
        with locks.alone("a") as alone:
            assert alone
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not held("a")


def test_what_was_done_stays_done_where_its_connection_was_cut() -> None:
    with locks.alone("a"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchall() == [(True,)]
    assert not held("a")


def test_it_outlasts_the_transactions_inside_and_none_around_it_ends_it() -> None:
    with transaction.atomic(), locks.alone("a"):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            raise ZeroDivisionError
        assert held("a")
    assert not held("a")


def test_who_waits_has_it_once_it_is_let_go() -> None:
    let_go = threading.Event()

    def holder() -> None:
        with locks.alone("a"):
            taken.set()
            let_go.wait(10)

    taken = threading.Event()
    thread = threading.Thread(target=holder)
    thread.start()
    assert taken.wait(10)
    began = time.monotonic()
    with locks.alone("a", within_s=0.3) as alone:
        assert not alone
    assert time.monotonic() - began >= 0.3
    threading.Timer(0.3, let_go.set).start()
    with locks.alone("a", within_s=10) as alone:
        assert alone
    thread.join()


def test_a_pooler_cannot_give_it_to_the_next_one() -> None:
    """PgBouncer between transactions takes a connection back at each one's end; this one has none before the block's."""
    with locks.alone("a"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, xact_start IS NOT NULL FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory'"
        )
        assert cursor.fetchall() == [("idle in transaction", True)]


def test_nothing_of_it_is_left_on_the_server() -> None:
    def connections() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return cursor.fetchone()[0]

    before = connections()
    for _ in range(3):
        assert not held("a")
    deadline = time.monotonic() + 10
    while connections() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert connections() <= before
