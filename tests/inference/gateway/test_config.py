"""The gateway reads its settings as the control plane does."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from inference.gateway.config import Misconfigured, Settings
from tests.inference.gateway.rig import ROOT


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
def test_the_first_secret_is_shown_and_former_ones_behind_it_are_not(tmp_path):
    (tmp_path / "secret").write_text("new\ns3cret\n")
    assert Settings.from_environment().internal_secret == "new"


@pytest.mark.usefixtures("_told")
def test_a_secret_given_twice_stops_the_start(monkeypatch):
    monkeypatch.setenv("INTERNAL_SECRET", "another")
    with pytest.raises(Misconfigured, match="Both INTERNAL_SECRET and INTERNAL_SECRET_FILE"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("REDIS_URL", "limits:6379", "redis://host:6379/0"),
        ("REDIS_URL", "redis://limits:many/0", "redis://host:6379/0"),
        ("REDIS_URL", "http://limits:6379", "redis://host:6379/0"),
        ("REDIS_URL", "unix://", "unix:///path"),
        ("INTERNAL_URL", "internal:8002", "http://internal:8002"),
        ("GATEWAY_METRICS", "9100", "0.0.0.0:9100"),
        ("GATEWAY_METRICS", "0.0.0.0:metrics", "0.0.0.0:9100"),
        ("ENGINE_CLIENT", "httpx", "http1 or aiohttp"),
        ("LEASE_MS", "3999", "4000 at least"),
    ],
)
@pytest.mark.usefixtures("_told")
def test_a_value_that_nothing_could_work_with_is_refused_with_the_fix(monkeypatch, name, value, fix):
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=f"^{name} .*{fix}"):
        Settings.from_environment()


@pytest.mark.usefixtures("_told")
def test_the_password_of_an_address_that_is_refused_is_not_shown(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:pa/ss-word@limits:6379")
    with pytest.raises(Misconfigured) as refused:
        Settings.from_environment()
    assert "ss-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "rediss://:pa%2Fss@limits:6379/1"),
        ("REDIS_URL", "unix:///run/limits.sock?db=1"),
        ("INTERNAL_URL", "unix:///run/internal.sock"),
        ("GATEWAY_METRICS", "unix:///run/metrics.sock"),
        ("GATEWAY_METRICS", ":9100"),
        ("LEASE_MS", "4000"),
    ],
)
@pytest.mark.usefixtures("_told")
def test_a_value_of_another_kind_that_works_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert Settings.from_environment()


GOOD = {"REDIS_URL": "redis://127.0.0.1:1", "INTERNAL_URL": "http://127.0.0.1:1", "INTERNAL_SECRET": "s3cret"}


def _said(**more: str) -> tuple[int, str]:
    """How a gateway of these settings ends, and what it says."""
    line = [sys.executable, "-m", "inference.gateway.server", "inference.gateway.app:app", "--port", "0"]
    told = {"PATH": os.environ["PATH"], **GOOD, **more}
    done = subprocess.run(line, env=told, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ({"REDIS_URL": ""}, "REDIS_URL is not set"),
        ({"CONTENT_PRIVATE_KEY": "k"}, "Give it to the web process alone"),
        ({"GATEWAY_METRICS": "192.0.2.1:9100"}, "cannot start: .*192.0.2.1"),
    ],
)
def test_a_gateway_that_is_wrongly_set_ends_with_the_fix_and_no_trace(more, fix):
    status, said = _said(**more)
    assert status == 3
    assert re.search(fix, said), said
    assert "Traceback" not in said
    assert "Uvicorn running" not in said
