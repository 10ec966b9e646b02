"""`hf auth login` without a token, unmodified: the code it shows, a person in a browser, and the login that follows."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from django.test import Client as Browser

from portal.tokens import devices
from tests.contract import clients
from tests.contract.hub import Hub


def log_in(client: clients.Client) -> subprocess.Popen[str]:
    """The command as a person starts it, with nothing to read from and everything it says in one stream."""
    client.home.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [str(client.python.parent / "hf"), "auth", "login"], env=client.environment(PYTHONUNBUFFERED="1"),
        cwd=client.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def shown_code(process: subprocess.Popen[str]) -> str:
    """The user code, once the command has printed it; AssertionError with what it said when it ends before."""
    assert process.stdout is not None
    said, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        line = process.stdout.readline()
        assert line, said
        said += line
        if found := re.search(rf"\b[{devices.ALPHABET}]{{4}}-[{devices.ALPHABET}]{{4}}\b", line):
            return found.group()
    raise AssertionError(said)


def answer(hub: Hub, code: str, **sent: str) -> None:
    browser = Browser()
    browser.force_login(hub.researcher)
    assert code in browser.post("/device/", {"code": code}).content.decode()
    form = {"code": code, "label": "cluster", "kind": "dl", "days": "30"}
    assert browser.post("/device/answer/", form | sent).status_code == 200


@pytest.mark.parametrize("line", ["1.31", "2.x"])
def test_a_person_approves_and_the_client_is_logged_in(
    line: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "INTERVAL_S", 1)
    python = clients.installed() if line == "1.31" else clients.newest()
    client = clients.Client(python, tmp_path / "home", hub.url)
    with log_in(client) as process:
        answer(hub, shown_code(process), approve="1")
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "Login successful" in said
    secret = (client.home / "hf" / "token").read_text().strip()
    assert secret.startswith("wb_dl_")
    done = client.hf("download", "lyceum/gated", "--local-dir", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(hub.folder / "gated")


def test_a_person_refuses_and_the_client_says_so(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "INTERVAL_S", 1)
    client = clients.Client(clients.installed(), tmp_path / "home", hub.url)
    with log_in(client) as process:
        answer(hub, shown_code(process), refuse="1")
        said = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "denied" in said
    assert not (client.home / "hf" / "token").exists()
