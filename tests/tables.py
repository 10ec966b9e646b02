"""The tables of the test database: the run's first process makes them, the others take them over. The migrations take
seven seconds of a processor, the copy one; three workers that begin together would all migrate."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg2
from django.db import connection
from psycopg2 import sql

from infra.embedded import database
from tests import once

_DUMP: Final = "tables.dump"


def make_or_take(migrate: Callable[..., None]) -> None:
    """Make the test database by `migrate`, or of what was left, whereupon `migrate` has still to look for what is missing."""
    with once.first(_DUMP) as first:
        if not first:
            _take()
        migrate(keepdb=not first)
        if first:
            once.leave(_DUMP, _dump)


def _take() -> None:
    name = connection.creation._get_test_db_name()
    with closing(psycopg2.connect(**connection.get_connection_params())) as server, server.cursor() as cursor:
        server.autocommit = True
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", name, str(once.left(_DUMP)))


def _dump(to: Path) -> None:
    _run("pg_dump", "--format", "custom", "--compress", "0", "--file", str(to), str(connection.settings_dict["NAME"]))


def _run(tool: str, *arguments: str) -> None:
    server = connection.settings_dict
    subprocess.run(
        [str(database.binaries() / tool), "--host", server["HOST"], "--username", server["USER"], *arguments],
        check=True,
    )
