"""Rows into PostgreSQL by COPY: many times as fast as INSERT, and past no constraint and no trigger."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy(rows: Sequence[models.Model]) -> None:
    """Write instances of one model as they are, in the caller's transaction: no default is computed, no signal sent."""
    if not rows:
        return
    fields = [
        field for field in rows[0]._meta.concrete_fields if not (isinstance(field, models.AutoField) or field.generated)
    ]
    text = io.StringIO()
    for row in rows:
        text.write("\t".join(_cell(field, getattr(row, field.attname)) for field in fields) + "\n")
    text.seek(0)
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(rows[0]._meta.db_table)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", text)


def _cell(field: models.Field[Any, Any], value: object) -> str:
    """One value in COPY's text format."""
    if value is None:
        return r"\N"
    if isinstance(field, models.JSONField):
        return json.dumps(value).translate(_ESCAPES)
    if isinstance(field, ArrayField) and isinstance(value, list):
        return "{" + ",".join(value) + "}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).translate(_ESCAPES)
