"""Advisory locks of a connection: one at a time does it, and who dies lets go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

_PAUSE_S: Final = 0.25


@contextmanager
def alone(name: str, *, within_s: float = 0) -> Iterator[bool]:
    """Whether this connection alone holds `name`, until the end of the block or as long as it is open.

    Asks again for `within_s` seconds while another connection has it. A connection that has it already has it twice.
    """
    end = time.monotonic() + within_s
    while not (mine := _ask("pg_try_advisory_lock", name)) and time.monotonic() < end:
        time.sleep(_PAUSE_S)
    try:
        yield mine
    finally:
        if mine:
            _ask("pg_advisory_unlock", name)


def _ask(function: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])
