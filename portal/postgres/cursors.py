"""Rows of a query that are more than memory should hold.

`QuerySet.iterator` reads all of them at once here: a pooler that gives out connections by the transaction cannot keep a
cursor of the server's between two, so the setting forbids them. Within a transaction there is one; without, there are
pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet


def by_cursor(rows: QuerySet[Any, Any], *, size: int) -> Iterator[Any]:
    """The rows of a query, `size` of them in memory at a time. Raises RuntimeError outside of a transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("A cursor lives within a transaction.")
    read: Any = rows._iterable_class(rows, chunked_fetch=True, chunk_size=size)
    yield from read


def in_pages(rows: QuerySet[Any, Any], *columns: str, size: int) -> Iterator[Any]:
    """The models of a query in the order of these columns, `size` of them in memory at a time; for a reader who may be slow.

    The columns must never be null, and together be unique: each page begins behind the last row of the one before it.
    """
    rows = rows.order_by(*columns)
    page = list(rows[:size])
    while page:
        yield from page
        page = list(rows.filter(_behind(columns, page[-1]))[:size]) if len(page) == size else []


def _behind(columns: Sequence[str], row: Any) -> Q:  # noqa: ANN401 any model
    """Whatever comes after this row; the first column's own bound is what an index can use."""
    first, *rest = columns
    bound = getattr(row, first)
    if not rest:
        return Q(**{f"{first}__gt": bound})
    return Q(**{f"{first}__gte": bound}) & (Q(**{f"{first}__gt": bound}) | _behind(rest, row))
