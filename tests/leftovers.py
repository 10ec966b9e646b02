"""What a test has committed, taken away again.

Django's own way truncates every table and then writes all content types and permissions anew: half a second of a
processor for each such test, and after it the database forgets what it knows of its tables.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from django.db import connection
from django.test import TransactionTestCase

KEPT: Final = {"django_migrations", "django_content_type", "auth_permission"}
"""Written by the migrations' end, and by no test."""
_SWOLLEN: Final = 1 << 18
"""Bytes: in our test server nobody takes dead rows away, so that a table beyond it is begun anew."""
_EMPTY: Final = """
DO $$
DECLARE
    one text;
    grown bool;
    filled bool;
BEGIN
    SET LOCAL session_replication_role = replica;
    LOCK TABLE {all} IN EXCLUSIVE MODE;
    FOR one, grown IN
        SELECT name, bool_or(pg_relation_size(part.oid) > {swollen} OR part.reltuples > 0)
        FROM unnest(ARRAY[{names}]) AS name
        LEFT JOIN pg_inherits ON inhparent = name::regclass
        JOIN pg_class AS part ON part.oid IN (name::regclass, inhrelid)
        GROUP BY name
    LOOP
        IF grown THEN
            EXECUTE 'TRUNCATE ' || one || ' CASCADE';
        ELSE
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || one || ')' INTO filled;
            IF filled THEN
                EXECUTE 'DELETE FROM ' || one;
            END IF;
        END IF;
    END LOOP;
END $$
"""
"""Past the triggers, which refuse to empty what is only added to; after whoever writes, as TRUNCATE would. A table that
was counted is begun anew as well, so that the count chooses no later plan."""


def empty() -> None:
    """Leave no row in any table that a test can write to, by whatever thread it was written."""
    with connection.cursor() as cursor:
        cursor.execute(_statement())


@cache
def tables() -> list[str]:
    """The quoted names of all tables that a test can write to."""
    names = sorted(set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT)
    return [connection.ops.quote_name(name) for name in names]


@cache
def _statement() -> str:
    quoted = tables()
    return _EMPTY.format(all=", ".join(quoted), names=", ".join(f"'{name}'" for name in quoted), swollen=_SWOLLEN)


def after_each_transactional_test() -> None:
    """Have Django call it where it would have flushed."""
    TransactionTestCase._fixture_teardown = lambda _: empty()
