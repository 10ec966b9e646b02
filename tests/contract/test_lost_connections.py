"""PostgreSQL ends connections between requests, and nobody who asks the portal notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg2
from django.db import connection

from portal import asgi
from portal.postgres.base import LATELY_S
from releases.models import Download
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer

FILE = "/lyceum/gated/resolve/main/model.safetensors"
PAGE = "/lyceum/gated"


@contextmanager
def beside() -> Iterator[psycopg2.extensions.cursor]:
    """A connection of our own, which is not among those that are ended."""
    parts = connection.get_connection_params()
    other = psycopg2.connect(**{name: parts[name] for name in ("dbname", "user", "host", "port") if parts.get(name)})
    other.autocommit = True
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


def ended(cursor: psycopg2.extensions.cursor) -> int:
    """End every connection but this one and the test's own; how many there were."""
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> %s",
        [connection.connection.info.backend_pid],
    )
    return len(cursor.fetchall())


def test_a_connection_that_is_ended_between_two_requests_is_replaced(hub: Hub) -> None:
    who = bearer(hub.token(hub.researcher))
    with beside() as cursor:
        for _ in range(5):
            for target, expected in ((FILE, 302), (PAGE, 200), ("/api/models/lyceum/gated", 200)):
                assert ask(hub.url, target, **who)[0] == expected
                assert ended(cursor) >= 1, "the portal keeps its connection"
                assert ask(hub.url, target, **who)[0] == expected, "and is asked within the seconds of trust"
    assert Download.objects.count() == 10


def test_all_threads_mend_their_own(hub: Hub) -> None:
    who = bearer(hub.token(hub.researcher))
    with beside() as cursor, ThreadPoolExecutor(asgi.WORKERS) as pool:
        for _ in range(3):
            statuses = list(pool.map(lambda _: ask(hub.url, FILE, **who)[0], range(64)))
            assert set(statuses) == {302}
            ended(cursor)
    assert ask(hub.url, FILE, **who)[0] == 302


def test_what_dies_in_the_middle_of_a_request_is_the_last_of_it(hub: Hub) -> None:
    """The request itself cannot be saved; those that come after it are answered, by the same threads."""
    who = bearer(hub.token(hub.researcher))
    for _ in range(asgi.WORKERS):
        assert ask(hub.url, FILE, **who)[0] == 302
    with beside() as lock, beside() as killer:
        lock.execute("BEGIN")
        lock.execute("LOCK TABLE releases_download IN ACCESS EXCLUSIVE MODE")
        said: list[int] = []
        waiting = threading.Thread(target=lambda: said.append(ask(hub.url, FILE, **who)[0]))
        waiting.start()
        deadline = time.monotonic() + 10
        dead: list[tuple[bool]] = []
        while not dead and time.monotonic() < deadline:
            killer.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
            dead = killer.fetchall()
        waiting.join(20)
        lock.execute("ROLLBACK")
    assert (len(dead), said) == (1, [503])
    before = Download.objects.count()
    assert {ask(hub.url, FILE, **who)[0] for _ in range(2 * asgi.WORKERS)} == {302}
    assert Download.objects.count() == before + 2 * asgi.WORKERS


def test_an_idle_connection_is_asked_once_more(hub: Hub) -> None:
    who = bearer(hub.token(hub.researcher))
    assert ask(hub.url, FILE, **who)[0] == 302
    with beside() as cursor:
        ended(cursor)
        time.sleep(LATELY_S + 0.5)
    assert ask(hub.url, FILE, **who)[0] == 302
