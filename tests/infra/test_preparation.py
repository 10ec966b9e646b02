"""What is brought up to date before the doors open, and what is left alone because it is."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from infra.embedded import preparation, upgrading
from infra.embedded.home import Home
from infra.embedded.problems import Problem


def test_a_stack_that_rested_into_another_month_makes_its_partitions_before_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(preparation, "manage", lambda _env, _home, *arguments: ran.append(arguments[0]))
    home, month = Home(tmp_path), [11]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(2026, month[0], 30, tzinfo=tz)

    monkeypatch.setattr(preparation, "datetime", Clock)
    assert preparation.migrate(home, {}, fresh=True)
    assert ran == ["migrate", "make_partitions"]
    assert not preparation.migrate(home, {}, fresh=False), "in the same month there is nothing to do"
    month[0] = 12
    assert preparation.migrate(home, {}, fresh=False)
    assert ran == ["migrate", "make_partitions"] * 2


def test_a_home_whose_database_has_gone_is_not_given_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "manage", lambda _env, _home, *_arguments: None)
    home = Home(tmp_path / "home")
    home.prepare("serve")
    preparation.expect_database(home)  # the first start, which makes it
    preparation.migrate(home, {}, fresh=True)
    with pytest.raises(Problem, match=r"not there.*Mount its disk, or bring a copy back"):
        preparation.expect_database(home)
    with pytest.raises(Problem, match="not there"):
        upgrading.run(home, {"MAIL_URL": "smtp://mail.example"}, print)
    home.database.mkdir(parents=True)
    (home.database / "PG_VERSION").write_text("18\n")
    preparation.expect_database(home)


def test_a_home_whose_database_is_elsewhere_is_brought_up_to_date_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "manage", lambda _env, _home, *_arguments: None)
    home = Home(tmp_path / "home")
    home.prepare("serve")
    assert not home.database.exists()
    assert preparation.migrate(home, {}, fresh=True)
    assert not preparation.migrate(home, {}, fresh=False)
