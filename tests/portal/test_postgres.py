"""An open connection is taken as fit where that is certain enough, and asked or replaced where it is not."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.backends.postgresql import base
from django.test.utils import CaptureQueriesContext

from portal.postgres.base import LATELY_S
from portal.postgres.cursors import by_cursor, in_pages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the server said each time it was asked; the connection was used just now."""
    said: list[bool] = []
    ask = base.DatabaseWrapper.is_usable

    def listening(self: Any) -> bool:
        said.append(ask(self))
        return said[-1]

    connection.ensure_connection()
    assert connection.is_usable()
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", listening)
    return said


def test_a_quiet_connection_that_was_just_used_is_not_asked(asked: list[bool]) -> None:
    assert connection.is_usable()
    assert connection.is_usable()
    assert asked == []


def test_after_a_fault_or_a_while_it_is(asked: list[bool]) -> None:
    connection.errors_occurred = True
    assert connection.is_usable()
    connection.errors_occurred = False
    connection._used_at -= LATELY_S
    assert connection.is_usable()
    assert asked == [True, True]
    assert connection.is_usable()
    assert asked == [True, True], "and then it is known again"


def test_one_that_the_server_has_closed_is_replaced_before_anybody_notices(asked: list[bool]) -> None:
    before = connection.connection.info.backend_pid
    parts = connection.get_connection_params()
    other = psycopg2.connect(**{name: parts[name] for name in ("dbname", "user", "host", "port") if parts.get(name)})
    with other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
        assert cursor.fetchone() == (True,)
    other.close()
    connection.health_check_enabled, connection.health_check_done = True, False  # as at the beginning of a request
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert asked == [False]
    assert connection.connection.info.backend_pid != before


def test_a_cursor_reads_every_row_within_a_transaction_and_none_outside_of_one() -> None:
    rows = ContentType.objects.order_by("pk")
    with transaction.atomic():
        assert list(by_cursor(rows, size=2)) == list(rows)
        assert list(by_cursor(rows.values("pk"), size=1_000)) == list(rows.values("pk"))
        assert list(by_cursor(rows.none(), size=2)) == []
    with pytest.raises(RuntimeError, match="within a transaction"):
        list(by_cursor(rows, size=2))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_pages_give_every_row_once_and_in_order_wherever_they_are_cut(size: int) -> None:
    """Many rows share the first column, so that pages end in the middle of them."""
    rows = Permission.objects.all()
    assert rows.count() > 100
    found = list(in_pages(rows, "content_type_id", "codename", size=size))
    assert found == list(rows.order_by("content_type_id", "codename"))
    assert list(in_pages(rows.none(), "pk", size=size)) == []
    only = rows.filter(content_type__model="user")
    assert list(in_pages(only, "pk", size=size)) == list(only.order_by("pk"))


def test_a_page_is_asked_for_when_it_is_wanted_and_what_came_meanwhile_is_in_it() -> None:
    rows = ContentType.objects.filter(app_label="drawn")
    for n in range(5):
        ContentType.objects.create(app_label="drawn", model=f"m{n}")
    with CaptureQueriesContext(connection) as asked:
        pages = in_pages(rows, "model", size=2)
        assert [next(pages).model, next(pages).model, len(asked)] == ["m0", "m1", 1]
    ContentType.objects.create(app_label="drawn", model="m9")
    assert [row.model for row in pages] == ["m2", "m3", "m4", "m9"]
