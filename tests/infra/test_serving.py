"""What `make serve` asks of its mail before it opens."""

from __future__ import annotations

import os
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.embedded import serving
from infra.embedded.home import ROOT, Home
from infra.embedded.problems import Problem


@pytest.mark.parametrize("url", ["postmark://key@", "amazon_ses://key:secret@eu-central-1"])
def test_mail_by_a_service_is_no_reason_not_to_start(url: str) -> None:
    serving._mail(Home(Path()), {"MAIL_URL": url})


def test_a_mail_server_that_is_not_there_is() -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Problem, match=r"127\.0\.0\.1 does not take our connection"):
            serving._mail(Home(Path()), {"MAIL_URL": f"smtp://127.0.0.1:{taken.getsockname()[1]}"})


@pytest.mark.parametrize(("url", "port"), [("smtp://mail.example", 587), ("smtp://mail.example:2525", 2525)])
def test_a_mail_server_is_tried_where_mail_will_leave(url: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(host: str, at: int, **_kwargs: object) -> None:
        raise OSError(f"{host} at {at}")

    monkeypatch.setattr(smtplib, "SMTP", refused)
    with pytest.raises(Problem, match=rf"\(mail\.example at {port}\)"):
        serving._mail(Home(Path()), {"MAIL_URL": url})


@pytest.mark.parametrize(
    ("told", "lacks"),
    [
        ({}, "MAIL_URL and ADMIN_EMAIL"),
        ({"ADMIN_EMAIL": "ada@lab.example"}, "MAIL_URL"),
        ({"MAIL_URL_FILE": "/run/secrets/mail"}, "ADMIN_EMAIL"),
        ({"MAIL_URL": "smtp://x", "ADMIN_EMAIL_FILE": "/run/secrets/ada"}, "ADMIN_EMAIL"),
    ],
)
def test_what_serving_lacks_is_asked_for_at_the_start(told: dict[str, str], lacks: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"`make serve` needs {lacks}\\."):
        serving._demand(Home(tmp_path), told)


def test_an_operator_reads_all_that_is_missing_in_one_list_before_anything_is_started(tmp_path: Path) -> None:
    """A minute went by first, in which a database was made and migrated; and each run named one thing more."""
    home = tmp_path / "home"
    told = {"WEIGHBRIDGE_HOME": str(home), "PORT": str(_free()), "ADMIN_EMAIL": "ada", "SECRET_KEY": "short"}
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}}
    done = subprocess.run(
        [sys.executable, "-m", "infra.embedded", "serve"],
        cwd=ROOT, env=kept | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    for said in ("3 things are missing or wrong", "needs MAIL_URL.", "ADMIN_EMAIL is ada", "SECRET_KEY can be guessed"):
        assert said in done.stderr
    assert not (home / "postgres").exists()
    assert "Starting" not in done.stdout


def test_one_missing_thing_is_said_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_checks", lambda _home, _env: None)
    with pytest.raises(Problem, match=r"^`make serve` needs ADMIN_EMAIL\."):
        serving.ask(Home(tmp_path), {"MAIL_URL": "postmark://key"})
    serving.ask(Home(tmp_path), {"MAIL_URL": "postmark://key", "ADMIN_EMAIL": "ada@lab.example"})


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_serving_that_lacks_nothing_is_asked_for_nothing(tmp_path: Path) -> None:
    serving._demand(Home(tmp_path), {"MAIL_URL_FILE": "/run/secrets/mail", "ADMIN_EMAIL": "ada@lab.example"})


def test_make_hides_no_setting_of_the_home_and_an_operator_may(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("PORT=8443\nHOST=0.0.0.0\n")
    settings = serving.with_settings(Home(tmp_path), "serve", {"PORT": "", "HOST": "127.0.0.1", "ENGINE": ""})
    assert settings == {"PORT": "8443", "HOST": "127.0.0.1", "ENGINE": ""}
    assert serving.with_settings(Home(tmp_path), "demo", {"PORT": ""}) == {"PORT": ""}


def test_settings_with_passwords_are_read_by_their_owner_alone(tmp_path: Path) -> None:
    """A home of root is entered by PostgreSQL's account, and so by any other."""
    kept = tmp_path / "settings.env"
    kept.write_text("MAIL_URL=smtp://user:password@mail.example.org\n")
    kept.chmod(0o644)
    serving.with_settings(Home(tmp_path), "serve", {})
    assert kept.stat().st_mode & 0o777 == 0o600
