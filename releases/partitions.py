"""Monthly partitions of the ledger, made ahead of time. Safe to run twice, and at the same time as another."""

from __future__ import annotations

from datetime import date
from typing import Final

from django.db import connection, transaction

TABLE: Final = "releases_download"
AHEAD: Final = 3
"""Months kept ready beyond the present one."""
_LOCK: Final = 0x57425041


def ensure(today: date, *, ahead: int = AHEAD, table: str = TABLE) -> list[str]:
    """Make the partitions of this month and the next `ahead`; the names of those that were missing."""
    months = [_later(today.replace(day=1), n) for n in range(ahead + 1)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        return [name for month in months if (name := _make(cursor, table, month))]


def _make(cursor: object, table: str, month: date) -> str:
    name = f"{table}_{month:%Y_%m}"
    execute = cursor.execute  # type: ignore[attr-defined]
    execute("SELECT to_regclass(%s)", [name])
    if cursor.fetchone()[0]:  # type: ignore[attr-defined]
        return ""
    # Names and dates are ours; PostgreSQL takes no parameters in DDL.
    execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{month}') TO ('{_later(month, 1)}')")
    execute(f"CREATE TRIGGER keep BEFORE TRUNCATE ON {name} EXECUTE FUNCTION {table}_keep()")
    return name


def _later(month: date, months: int) -> date:
    years, index = divmod(month.month - 1 + months, 12)
    return date(month.year + years, index + 1, 1)
