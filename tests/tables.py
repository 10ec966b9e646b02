"""The tables of the test database, taken over from an earlier process of the run: the migrations take 15 s of a processor."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg2
from django.db import connection
from psycopg2 import sql

from infra.embedded import database
from tests import once

_DUMP: Final = "tables.dump"


def take() -> bool:
    """Make the test database of what was left; False where nothing was. `migrate` has still to look for what is missing."""
    dump = once.left(_DUMP)
    if dump is None:
        return False
    name = connection.creation._get_test_db_name()
    with closing(psycopg2.connect(**connection.get_connection_params())) as server, server.cursor() as cursor:
        server.autocommit = True
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", name, str(dump))
    return True


def leave() -> None:
    """Leave the tables of the test database, which nobody has written to yet, to later processes."""
    once.leave(_DUMP, _dump)


def _dump(to: Path) -> None:
    _run("pg_dump", "--format", "custom", "--compress", "0", "--file", str(to), str(connection.settings_dict["NAME"]))


def _run(tool: str, *arguments: str) -> None:
    server = connection.settings_dict
    subprocess.run(
        [str(database.binaries() / tool), "--host", server["HOST"], "--username", server["USER"], *arguments],
        check=True,
    )
