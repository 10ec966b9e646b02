"""Several numbers in one question to the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet


def counts(rows: Mapping[str, QuerySet[Any, Any]]) -> dict[str, int]:
    """How many rows each has, by its name; one query, however many are asked."""
    found = dict.fromkeys(rows, 0)
    asked: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for name, each in rows.items():
        try:
            asked[name] = each.order_by().values("pk").query.sql_with_params()
        except EmptyResultSet:
            continue
    if not asked:
        return found
    # The text is Django's own, with a place for every value.
    columns = ", ".join(f"(SELECT count(*) FROM ({sql}) AS found)" for sql, _ in asked.values())  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}", [value for _, values in asked.values() for value in values])
        return found | dict(zip(asked, cursor.fetchone(), strict=True))
