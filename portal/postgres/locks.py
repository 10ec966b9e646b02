"""Advisory locks that outlast a transaction: one at a time does it, and who dies lets go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper

_PAUSE_S: Final = 0.25


@contextmanager
def alone(name: str, *, within_s: float = 0) -> Iterator[bool]:
    """Whether nobody else holds `name`, until the end of the block. Asks again for `within_s` seconds while somebody does.

    A connection of its own holds the lock, in a transaction: a pooler between transactions (PgBouncer) would give the lock
    of a session to whoever comes next on it.
    """
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        end = time.monotonic() + within_s
        while not (mine := _ask(holder, name)) and time.monotonic() < end:
            time.sleep(_PAUSE_S)
        yield mine
    finally:
        with suppress(Error):  # it was cut: the lock went with it
            holder.rollback()
        holder.close()


def _ask(holder: BaseDatabaseWrapper, name: str) -> bool:
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])
