"""The migrations make the tables that the models describe. `makemigrations --check` asks only what they say they make."""

from __future__ import annotations

import re
from typing import Final

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

OURS: Final = ("portal", "releases", "inference")
LEDGERS: Final = ("inference_usagerecord", "releases_download")
"""Partitioned, which no model can say: their columns are compared, and their keys, checks and indexes are not."""
_TABLES: Final = """
    SELECT oid, relname, relname = ANY(%(ledgers)s) AS ledger FROM pg_class
    WHERE relnamespace = current_schema::regnamespace AND relname = ANY(%(tables)s)
"""
_PARTS: Final = f"""
    WITH one AS ({_TABLES})
    SELECT relname, attname, concat_ws(' ', format_type(atttypid, atttypmod), collname, attnotnull, attidentity,
        attgenerated, replace(pg_get_expr(adbin, adrelid), 'public.', ''))
    FROM one JOIN pg_attribute ON attrelid = one.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    LEFT JOIN pg_attrdef ON adrelid = one.oid AND adnum = attnum
    UNION ALL
    SELECT relname, conname, concat_ws(' ', pg_get_constraintdef(pg_constraint.oid), condeferrable, condeferred, convalidated)
    FROM one JOIN pg_constraint ON conrelid = one.oid WHERE NOT ledger
    UNION ALL
    SELECT one.relname, index.relname, replace(pg_get_indexdef(indexrelid), current_schema || '.', '')
    FROM one JOIN pg_index ON indrelid = one.oid JOIN pg_class AS index ON index.oid = indexrelid WHERE NOT ledger
"""

_CAST: Final = re.compile(r"::(?:character varying|text)(?:\[\])?")
_ALONE: Final = re.compile(r"\(('(?:[^']|'')*'|\w+|ARRAY\[[^]]*\])\)")


@pytest.fixture
def described() -> None:
    """The schema `described`: the tables that Django makes of the models as they are now."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA described")
        cursor.execute("SET LOCAL search_path TO described, public")
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            editor.create_model(model)


def parts(schema: str) -> set[tuple[str, str, str]]:
    """Each column, constraint and index of our tables there: table, name, definition."""
    ours = [config.label for config in apps.get_app_configs() if config.name.startswith(OURS)]
    models = [model for label in ours for model in apps.get_app_config(label).get_models(include_auto_created=True)]
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path TO {schema}")
        cursor.execute(_PARTS, {"tables": tables, "ledgers": list(LEDGERS)})
        return {(table, name, _plain(definition)) for table, name, definition in cursor.fetchall()}


def _plain(definition: str) -> str:
    """Without casts between texts, and without brackets around one thing: a database that came back from a copy has
    them elsewhere, in the same conditions."""
    found = _CAST.sub("", definition)
    while (shorter := _ALONE.sub(r"\1", found)) != found:
        found = shorter
    return found


def test_the_migrations_make_what_the_models_describe(described: None) -> None:
    made, wanted = parts("public"), parts("described")
    assert (made - wanted, wanted - made) == (set(), set())
    assert {table for table, _, _ in made} >= {"access_grant", "people_user_groups", *LEDGERS}


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("ALTER TABLE public.access_grant DROP CONSTRAINT grant_by_one_way", {"grant_by_one_way"}),
        (
            "ALTER TABLE public.access_grant DROP CONSTRAINT grant_by_one_way, "
            "ADD CONSTRAINT grant_by_one_way CHECK (application_id IS NULL AND institutional_id IS NULL)",
            {"grant_by_one_way"},
        ),
        ("ALTER TABLE public.access_grant ADD COLUMN old text", {"old"}),
        ("ALTER TABLE public.access_grant ALTER COLUMN ends_at DROP NOT NULL", {"ends_at", "access_grant_ends_at_not_null"}),
        ("ALTER TABLE public.access_application ALTER COLUMN number DROP DEFAULT", {"number"}),
        ("DROP INDEX public.application_of_person", {"application_of_person"}),
        ("ALTER TABLE public.releases_download ALTER COLUMN path TYPE text", {"path"}),
    ],
)  # fmt: skip
def test_a_part_of_a_table_that_differs_is_seen(described: None, change: str, seen: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert {name for _, name, _ in parts("public") ^ parts("described")} == seen
