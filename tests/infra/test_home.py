"""The secrets of a home: made once, whole, and nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from infra.embedded.home import SECRETS, Home


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
