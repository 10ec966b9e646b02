"""Monthly partitions of a ledger, made ahead of time. Safe to run twice, and at the same time as another."""

from __future__ import annotations

from datetime import date
from typing import Final

from django.db import connection, transaction

TABLE: Final = "releases_download"
AHEAD: Final = 3
"""Months kept ready beyond the present one."""
_LOCK: Final = 0x57425041


def ensure(today: date, *, ahead: int = AHEAD, table: str = TABLE, key: str = "at") -> list[str]:
    """Make the partitions of this month and the next `ahead`; the names of those that were missing.

    A month of which the default partition has rows already, by a clock that was wrong, stays there: what is
    append-only is not moved. `key` is the column of the time.
    """
    months = [_later(today.replace(day=1), n) for n in range(ahead + 1)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        return [name for month in months if (name := _make(cursor, table, month, key))]


def _make(cursor: object, table: str, month: date, key: str) -> str:
    name = f"{table}_{month:%Y_%m}"
    execute = cursor.execute  # type: ignore[attr-defined]
    execute("SELECT to_regclass(%s)", [name])
    if cursor.fetchone()[0]:  # type: ignore[attr-defined]
        return ""
    if _in_default(cursor, table, month, key):
        return ""
    # Names and dates are ours; PostgreSQL takes no parameters in DDL.
    execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{month}') TO ('{_later(month, 1)}')")
    execute(f"CREATE TRIGGER keep BEFORE TRUNCATE ON {name} EXECUTE FUNCTION {table}_keep()")
    return name


def _in_default(cursor: object, table: str, month: date, key: str) -> bool:
    execute = cursor.execute  # type: ignore[attr-defined]
    execute("SELECT to_regclass(%s)", [f"{table}_default"])
    if not cursor.fetchone()[0]:  # type: ignore[attr-defined]
        return False
    query = f"SELECT EXISTS (SELECT FROM {table}_default WHERE {key} >= %s AND {key} < %s)"  # noqa: S608 names are ours
    execute(query, [month, _later(month, 1)])
    return bool(cursor.fetchone()[0])  # type: ignore[attr-defined]


def _later(month: date, months: int) -> date:
    years, index = divmod(month.month - 1 + months, 12)
    return date(month.year + years, index + 1, 1)
