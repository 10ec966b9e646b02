"""Settings from the environment fail loudly and name the fix."""

from __future__ import annotations

import pytest

from portal import env
from portal.errors import Misconfigured


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    assert env.text("KEY") == "s3cret"


def test_a_secret_given_twice_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("KEY", "x")
    with pytest.raises(Misconfigured, match="Unset one"):
        env.text("KEY")


def test_a_missing_secret_names_itself_and_its_file_twin():
    with pytest.raises(Misconfigured, match="WB_MISSING_FILE"):
        env.required("WB_MISSING", "a test")


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_flag_that_is_neither_yes_nor_no_is_refused(monkeypatch, value):
    monkeypatch.setenv("FLAG", value)
    with pytest.raises(Misconfigured, match="Use 1 or 0"):
        env.flag("FLAG", default=False)


def test_a_number_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("COUNT", "many")
    with pytest.raises(Misconfigured, match="whole number"):
        env.number("COUNT", 3)


def test_another_database_than_postgresql_is_refused():
    with pytest.raises(Misconfigured, match="PostgreSQL"):
        env.database("mysql://x/y")


def test_a_database_address_is_taken_apart():
    parsed = env.database("postgresql://ann:p%40ss@db.example:6432/wb?sslmode=require")
    assert (parsed["USER"], parsed["PASSWORD"], parsed["HOST"], parsed["PORT"]) == ("ann", "p@ss", "db.example", "6432")
    assert parsed["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    "value", ["https://example.org/hub", "https://example.org/hub/", "http://x?y", "example.org", "ftp://x"]
)
def test_the_public_address_is_a_host_of_our_own(monkeypatch, value):
    monkeypatch.setenv("SITE", value)
    with pytest.raises(Misconfigured, match="SITE"):
        env.origin("SITE", "http://127.0.0.1:8000")


def test_a_slash_at_its_end_is_no_path(monkeypatch):
    monkeypatch.setenv("SITE", "https://models.example.org:8443/")
    assert env.origin("SITE", "http://127.0.0.1:8000") == "https://models.example.org:8443"
