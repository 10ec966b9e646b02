"""The private PostgreSQL and Valkey: where they listen, as whom they run, what they keep."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from infra.embedded import database, valkey
from infra.embedded.home import Home
from infra.embedded.processes import Group


@pytest.fixture
def home() -> Iterator[Home]:
    """Beneath a directory that only we may enter, as `mktemp -d` makes it."""
    with tempfile.TemporaryDirectory(prefix="wb-", dir="/tmp") as folder:
        found = Home(Path(folder) / "home")
        found.prepare("demo")
        yield found


def _start(home: Home) -> Group:
    group = Group(home.logs, print)
    group.start([database.spec(home), valkey.limits(home), valkey.broker(home)], stopping=lambda: False)
    return group


def _ask(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096).decode()


def test_both_keep_what_they_must_across_a_restart_and_one_forgets(home: Home) -> None:
    group = _start(home)
    try:
        assert database.create(home) is True
        with psycopg2.connect(database.url(home)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
        connection.close()
        for name in ("limits", "broker"):
            assert _ask(home.run / f"{name}.sock", "SET k v").startswith("+OK")
    finally:
        group.stop()
    group = _start(home)
    try:
        assert database.create(home) is False
        with psycopg2.connect(database.url(home)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT n FROM kept")
            assert cursor.fetchone() == (42,)
        connection.close()
        assert "v" in _ask(home.run / "limits.sock", "GET k")
        assert _ask(home.run / "broker.sock", "GET k").startswith("$-1")
    finally:
        group.stop()


def test_nothing_listens_on_the_network_and_postgresql_is_not_root(home: Home) -> None:
    group = _start(home)
    try:
        pids = {process.pid for process in group.processes}
        for pid in pids:
            listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout if _has_ss() else ""
            assert f"pid={pid}," not in listening
        postgres = next(process for process in group.processes if process.spec.name == "postgresql")
        assert os.stat(f"/proc/{postgres.pid}").st_uid != 0 or os.geteuid() != 0
        assert (home.run / "postgres").stat().st_mode & 0o777 == 0o700
        assert "appendfsync" in _ask(home.run / "limits.sock", "CONFIG GET appendfsync")
        assert "always" in _ask(home.run / "limits.sock", "CONFIG GET appendfsync")
        assert "noeviction" in _ask(home.run / "limits.sock", "CONFIG GET maxmemory-policy")
    finally:
        group.stop()


def _has_ss() -> bool:
    return any((Path(folder) / "ss").exists() for folder in os.environ.get("PATH", "").split(os.pathsep))
