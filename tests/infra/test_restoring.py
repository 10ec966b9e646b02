"""The way back from an upgrade: with a real PostgreSQL, whose copy is made as an upgrade makes it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from infra.embedded import database, restoring, upgrading
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem
from infra.embedded.processes import Group


@pytest.fixture
def home() -> Iterator[Home]:
    """An installation, stopped, that knows one thing."""
    with tempfile.TemporaryDirectory(prefix="wb-r&d #1 %41+", dir="/tmp") as folder:
        found = Home(Path(folder) / "home")
        found.prepare("serve")
        yield found


def _running(home: Home, *statements: str) -> list[tuple[object, ...]]:
    """Start the database, say this to it, stop it; the rows of the last."""
    group = Group(home.logs, print)
    group.start([database.spec(home)], stopping=lambda: False)
    try:
        database.create(home)
        with closing(psycopg2.connect(database.url(home))) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        group.stop()


def _copied(home: Home) -> Path:
    group = Group(home.logs, print)
    group.start([database.spec(home)], stopping=lambda: False)
    try:
        return upgrading._back_up(home, database.url(home))
    finally:
        group.stop()


def test_a_copy_comes_back_and_what_was_in_its_place_is_kept(home: Home) -> None:
    _running(home, "CREATE TABLE known (n int)", "INSERT INTO known VALUES (42)")
    copy = _copied(home)
    _running(home, "UPDATE known SET n = 0", "CREATE TABLE half_an_upgrade ()")
    stamp = home.path / "migrated"
    stamp.write_text("as the upgrade left it")
    said: list[str] = []
    restoring.run(home, {}, copy, said.append)
    assert _running(home, "SELECT n, to_regclass('half_an_upgrade') FROM known") == [(42, None)]
    assert not stamp.exists(), "the next start migrates what it finds"
    names = _running(home, "SELECT datname FROM pg_database WHERE datname LIKE 'weighbridge_%'")
    assert [name for (name,) in names if str(name) in said[-1]] != []


def test_a_copy_comes_back_on_a_machine_that_has_no_database_yet(home: Home) -> None:
    _running(home, "CREATE TABLE known (n int)", "INSERT INTO known VALUES (42)")
    copy, said = _copied(home), list[str]()
    shutil.rmtree(home.database.parent)
    restoring.run(home, {}, copy, said.append)
    assert _running(home, "SELECT n FROM known") == [(42,)]
    assert "is kept as" not in said[-1], "there was none before"
    names = _running(home, "SELECT datname FROM pg_database WHERE datname LIKE 'weighbridge%'")
    assert names == [("weighbridge",)]


def test_a_copy_that_is_none_changes_nothing(home: Home, tmp_path: Path) -> None:
    _running(home, "CREATE TABLE known (n int)", "INSERT INTO known VALUES (42)")
    (tmp_path / "broken.dump").write_bytes(b"PGDMP and no more")
    with pytest.raises(Problem, match="nothing was changed"):
        restoring.run(home, {}, tmp_path / "broken.dump", print)
    assert _running(home, "SELECT n FROM known") == [(42,)]


def test_what_postgresql_refuses_on_the_way_is_said_and_changes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the disk has no room for a second database."""
    _running(home, "CREATE TABLE known (n int)", "INSERT INTO known VALUES (42)")
    copy = _copied(home)
    monkeypatch.setattr(database, "_FRESH", "")  # no name that it takes
    with pytest.raises(Problem, match="nothing was changed"):
        restoring.run(home, {}, copy, print)
    assert _running(home, "SELECT n FROM known") == [(42,)]


def test_while_a_copy_is_read_the_database_stands_where_it_was(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _running(home, "CREATE TABLE known (n int)", "INSERT INTO known VALUES (42)")
    copy, seen = _copied(home), []

    def killed(_url: str, _copy: Path) -> None:
        with closing(psycopg2.connect(database.url(home))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT n FROM known")
            seen.extend(cursor.fetchall())
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "_fill", killed)
    with pytest.raises(KeyboardInterrupt):
        restoring.run(home, {}, copy, print)
    names = _running(home, "SELECT datname FROM pg_database WHERE datname LIKE 'weighbridge%'")
    assert (seen, names) == ([(42,)], [("weighbridge",)])


def test_nothing_is_restored_where_it_cannot_be(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="There is no copy"):
        restoring.run(home, {}, tmp_path / "none.dump", print)
    (tmp_path / "a.dump").touch()
    with pytest.raises(Problem, match="server of your own"):
        restoring.run(home, {"DATABASE_URL": "postgresql://a@b/c"}, tmp_path / "a.dump", print)
    with pytest.raises(Problem, match="holds no installation"):
        restoring.run(Home(tmp_path), {}, tmp_path / "a.dump", print)
    lock = Lock(home)
    lock.take()
    with pytest.raises(Problem, match="already running"):
        restoring.run(home, {}, tmp_path / "a.dump", print)
