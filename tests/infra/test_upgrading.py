"""What an upgrade keeps before it changes anything."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from infra.embedded import database, upgrading
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem


@pytest.fixture
def dumping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pg_dump that notes how it was called, and does what its second line says."""
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$* / $PGPASSWORD" > {tmp_path}/called\necho half\n')
    program.chmod(0o700)
    monkeypatch.setattr(database, "binaries", lambda: tmp_path)
    return program


def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://a@b/c\n")
    assert upgrading._address({"DATABASE_URL_FILE": str(tmp_path / "url")}) == "postgresql://a@b/c"
    assert upgrading._address({"DATABASE_URL": "postgresql://a@b/d"}) == "postgresql://a@b/d"


def test_a_copy_is_the_operators_alone_and_its_password_is_seen_by_nobody(tmp_path: Path, dumping: Path) -> None:
    made = upgrading._back_up(Home(tmp_path), "postgresql://ann:p%40ss@db.example:6432/wb?sslmode=require")
    assert (made.read_text(), stat.S_IMODE(made.stat().st_mode)) == ("half\n", 0o600)
    words, _, secret = (tmp_path / "called").read_text().strip().partition(" / ")
    assert secret == "p@ss"
    assert "p@ss" not in words
    assert {"user=ann", "host=db.example", "port=6432", "dbname=wb", "sslmode=require"} <= set(
        words.removeprefix("--format=custom --no-owner --dbname=").split()
    )


def test_a_copy_that_fails_stops_the_upgrade_and_leaves_nothing(tmp_path: Path, dumping: Path) -> None:
    dumping.write_text("#!/bin/sh\necho half\necho no room >&2\nexit 1\n")
    with pytest.raises(Problem, match="nothing was changed") as found:
        upgrading._back_up(Home(tmp_path), "postgresql://a@b/c")
    assert "no room" in found.value.step
    assert os.listdir(tmp_path / "backups") == []


def test_a_copy_that_is_broken_off_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(*_words: object, stdout: object, **_more: object) -> None:
        stdout.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", broken_off)
    with pytest.raises(KeyboardInterrupt):
        upgrading._back_up(Home(tmp_path), "postgresql://a@b/c")
    assert os.listdir(tmp_path / "backups") == []


def test_what_an_upgrade_that_was_killed_left_of_a_copy_takes_no_room_for_ever(tmp_path: Path, dumping: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "tmpabc.part").write_text("half")
    (tmp_path / "backups" / "20261101T000000Z.dump").write_text("whole")
    made = upgrading._back_up(Home(tmp_path), "postgresql://a@b/c")
    assert set(os.listdir(tmp_path / "backups")) == {"20261101T000000Z.dump", made.name}


def test_two_copies_are_not_made_at_once(tmp_path: Path, dumping: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "tmpabc.part").write_text("under way")
    with upgrading._alone(tmp_path / "backups"), pytest.raises(Problem, match="Another copy"):
        upgrading._back_up(Home(tmp_path), "postgresql://a@b/c")
    assert os.listdir(tmp_path / "backups") == ["tmpabc.part"]


def test_an_operator_makes_a_copy_while_the_portal_runs_and_needs_none_of_its_passwords(
    tmp_path: Path, dumping: Path
) -> None:
    home, said = Home(tmp_path / "home"), []
    home.path.mkdir()
    home.prepare("serve")
    with pytest.raises(Problem, match="Nothing runs"):
        upgrading.back_up(home, {}, said.append)
    lock = Lock(home)
    lock.take(mode="serve", url="http://127.0.0.1:8123", ready=True)
    upgrading.back_up(home, {}, said.append)
    (made,) = (home.path / "backups").iterdir()
    assert said == [f"Backed up to {made}"]
    assert "dbname=weighbridge" in (tmp_path / "called").read_text()
