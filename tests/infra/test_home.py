"""A home: its secrets, made once, whole, and nobody else's; its name, whatever it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from kombu.utils.url import url_to_parts
from psycopg2.extensions import parse_dsn
from redis.connection import parse_url

from inference.gateway.config import Settings
from infra.embedded import stack
from infra.embedded.home import SECRETS, Home
from portal import env


def test_secrets_are_made_once_and_are_the_operators_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare("serve")
    made = {name: home.secret_file(name).read_text() for name in SECRETS}
    home.prepare("serve")
    assert {name: home.secret_file(name).read_text() for name in SECRETS} == made
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.path / "secrets").iterdir()} == {0o600}
    assert len(list((home.path / "secrets").iterdir())) == len(SECRETS)


def test_a_secret_whose_maker_died_is_made_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")

    def full(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            home.prepare("serve")
    assert list((home.path / "secrets").iterdir()) == []
    home.secret_file("SECRET_KEY").touch()
    home.prepare("serve")
    assert {len(home.secret_file(name).read_text()) for name in SECRETS} == {43}


@pytest.mark.parametrize("name", ["r&d c++", "x#1", "100%41", "q?1[a]"])
def test_a_home_may_be_called_anything_and_every_reader_finds_its_sockets(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(Path("/srv") / name)
    told = stack.environment(home, stack.Choices("serve", "127.0.0.1", 8000, "none", "http://127.0.0.1:8000"), {})
    assert env.database(told["DATABASE_URL"])["HOST"] == f"{home.run}/postgres"
    assert parse_dsn(told["DATABASE_URL"])["host"] == f"{home.run}/postgres"
    assert parse_url(told["REDIS_URL"])["path"] == f"{home.run}/limits.sock"
    assert f"/{url_to_parts(told['BROKER_URL']).path}" == f"{home.run}/broker.sock"
    for variable in ("REDIS_URL", "INTERNAL_SOCKET"):
        monkeypatch.setenv(variable, told[variable])
    monkeypatch.setenv("INTERNAL_SECRET", "s3cret")
    read = Settings.from_environment()
    assert unquote(urlsplit(read.redis_url).path) == f"{home.run}/limits.sock"
    assert unquote(urlsplit(read.internal_url).path) == told["INTERNAL_SOCKET"]
