"""What was written to the test database, kept, and put there again: a hub costs 0.3 s of this process's processor to
make, and a tenth of that to copy. Keys are the same each time; sequences only go on, so that no later row meets them."""

from __future__ import annotations

import io
from typing import Final

from django.core.cache import caches
from django.db import connection, transaction

from portal import counters
from tests import leftovers

Rows = dict[str, bytes]
"""By quoted table, or partition of one, as COPY writes them."""
_WITH_PAGES: Final = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 AND relname <> ALL(%s)
"""
"""The tables and partitions that may hold a row. To ask each of them for one costs 0.07 s of the database's processor."""
_UNCHECKED: Final = "SET LOCAL session_replication_role = replica"
"""No trigger and no foreign key is asked: the rows are those that both let pass."""
_CHECKED: Final = "SET LOCAL session_replication_role = origin"


def take() -> Rows:
    """All rows of all tables that a test can write to."""
    rows = {}
    with connection.cursor() as cursor:
        cursor.execute(_WITH_PAGES, [sorted(leftovers.KEPT)])
        for (table,) in cursor.fetchall():
            written = io.BytesIO()
            cursor.copy_expert(f"COPY {table} TO STDOUT", written)
            if written.tell():
                rows[table] = written.getvalue()
    return rows


def added(before: Rows, after: Rows) -> Rows:
    """The rows that came. ValueError where one went or was changed: it could not be put again."""
    came = {}
    for table in before.keys() | after.keys():
        old, new = (rows.get(table, b"").splitlines(keepends=True) for rows in (before, after))
        if not set(old) <= set(new):
            raise ValueError(f"rows of {table} went or were changed")
        came[table] = b"".join(row for row in new if row not in set(old))
    return {table: rows for table, rows in came.items() if rows}


def forget() -> None:
    """What was counted or cached, by whatever test, under keys that are put again."""
    for name in ("default", "process"):
        caches[name].clear()
    counters.client().flushdb()


def put(rows: Rows) -> None:
    """Write them beside what is there."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_UNCHECKED)
        for table, written in rows.items():
            cursor.copy_expert(f"COPY {table} FROM STDIN", io.BytesIO(written))
        cursor.execute(_CHECKED)
