"""The gateway reads its settings as the control plane does."""

from __future__ import annotations

import pytest

from inference.gateway.config import Misconfigured, Settings


@pytest.fixture
def _told(monkeypatch, tmp_path):
    for name, value in {"REDIS_URL": "redis://x", "INTERNAL_URL": "http://x"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("INTERNAL_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.delenv("INTERNAL_SECRET", raising=False)


@pytest.mark.usefixtures("_told")
def test_a_secret_may_come_from_a_file():
    assert Settings.from_environment().internal_secret == "s3cret"


@pytest.mark.usefixtures("_told")
def test_a_secret_given_twice_stops_the_start(monkeypatch):
    monkeypatch.setenv("INTERNAL_SECRET", "another")
    with pytest.raises(Misconfigured, match="Both INTERNAL_SECRET and INTERNAL_SECRET_FILE"):
        Settings.from_environment()
