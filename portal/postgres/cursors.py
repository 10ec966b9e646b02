"""Rows of a query that are more than memory should hold: read through a cursor of the server's, within a transaction.

`QuerySet.iterator` reads all of them at once here: a pooler that gives out connections by the transaction cannot keep a
cursor between two, so the setting forbids them. Inside of one it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import QuerySet


def by_cursor(rows: QuerySet[Any, Any], *, size: int) -> Iterator[Any]:
    """The rows of a query, `size` of them in memory at a time. Raises RuntimeError outside of a transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("A cursor lives within a transaction.")
    read: Any = rows._iterable_class(rows, chunked_fetch=True, chunk_size=size)
    yield from read
