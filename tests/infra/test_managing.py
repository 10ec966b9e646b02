"""The portal's commands at an embedded home, as docs/running.md tells to give them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded import managing
from infra.embedded.home import ROOT, Home, Lock
from infra.embedded.problems import Problem


@pytest.fixture
def home() -> Iterator[Home]:
    """An installation, stopped."""
    with tempfile.TemporaryDirectory(prefix="wb-", dir="/tmp") as folder:
        found = Home(Path(folder) / "home")
        found.prepare("serve")
        yield found


def given(home: Home, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "WEIGHBRIDGE_HOME": str(home.path), "PYTHONPATH": str(ROOT), **more}
    line = [sys.executable, "-m", "infra.embedded", *command]
    return subprocess.run(line, env=told, cwd=home.path, capture_output=True, text=True, check=False)


def test_a_command_has_the_secrets_and_settings_of_its_home(home: Home) -> None:
    (home.path / "settings.env").write_text("MAIL_URL=smtp://mail.example:587\n")
    Lock(home).take(mode="serve", url="http://127.0.0.1:8123", ready=True)
    told = managing.environment(home, {"PATH": "/bin"})
    assert told["SECRET_KEY_FILE"] == str(home.secret_file("SECRET_KEY"))
    assert (told["WEIGHBRIDGE_MODE"], told["MAIL_URL"]) == ("serve", "smtp://mail.example:587")
    assert (told["BASE_URL"], told["GATEWAY_URL"]) == ("http://127.0.0.1:8123",) * 2
    assert managing.environment(home, {"BASE_URL": "https://models.example"})["BASE_URL"] == "https://models.example"


def test_it_runs_from_any_folder_and_hands_on_its_options_and_its_status(home: Home) -> None:
    lock = Lock(home)
    lock.take(mode="serve", url="http://127.0.0.1:8123", ready=True)
    made = given(home, "manage", "make_content_key")
    assert (made.returncode, made.stdout.count("KEY=")) == (0, 2), made.stderr
    away = given(home, "manage", "pool", "status", "--json")
    assert away.returncode == 1
    assert away.stderr.startswith("The database does not answer"), "its own, which nobody started here"


def test_where_nothing_runs_or_nothing_is_installed_that_is_said(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="Nothing runs"):
        managing.environment(home, {})
    with pytest.raises(Problem, match="holds no installation"):
        managing.environment(Home(tmp_path), {})
    assert managing.environment(home, {"DATABASE_URL": "postgresql://db.example/wb"}), "a database of one's own may run"


@pytest.mark.parametrize("words", [["manage"], ["restore"], ["restore", "a", "b"], ["status", "more"]])
def test_words_that_a_command_does_not_take_are_refused(home: Home, words: list[str]) -> None:
    said = given(home, *words)
    assert said.returncode == 2
    assert "restore needs one copy" in said.stderr


def test_who_stops_a_stack_that_has_not_said_yet_who_it_is_is_asked_to_try_again(home: Home) -> None:
    lock = Lock(home)
    lock.take(mode="serve")
    os.ftruncate(lock._file, 0)
    said = given(home, "stop")
    assert said.returncode == 1
    assert "Try again" in said.stderr
    assert "Traceback" not in said.stderr
