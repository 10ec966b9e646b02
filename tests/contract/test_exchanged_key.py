"""The portal exchanges the key under its releases: its command's users go on, as far as the former key vouches for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releases.proofs import vouching
from tests.contract import hub as hubs
from tests.contract.hub import Hub
from tests.contract.test_client import run
from weighbridge_client import errors

OLD, NEW = "the former secret, long enough for a test", "the present secret, long enough for a test"


@pytest.fixture(autouse=True)
def _signs(settings: Any) -> None:
    settings.RECEIPT_SIGNING_KEY = OLD


@pytest.fixture
def exchange(settings: Any, hub: Hub, tmp_path: Path) -> Callable[..., None]:
    """Puts NEW in OLD's place, which is named behind it unless it is `dropped`, and publishes `lyceum/later`."""

    def to_the_new_one(*, dropped: bool = False) -> None:
        settings.RECEIPT_SIGNING_KEY = NEW
        settings.FORMER_RECEIPT_SIGNING_KEYS = [] if dropped else [OLD]
        hubs.published(hub.world, "later", hubs.model_folder(tmp_path / "later"))

    return to_the_new_one


def got(hub: Hub, home: Path, model: str) -> subprocess.CompletedProcess[str]:
    return run(hub, home, "get", model)


def test_who_knows_the_former_key_has_what_the_new_one_signed(
    hub: Hub, tmp_path: Path, exchange: Callable[..., None]
) -> None:
    home = tmp_path / "home"
    assert got(hub, home, "lyceum/open").returncode == 0
    exchange()
    done = got(hub, home, "lyceum/later")
    assert (done.returncode, "has exchanged its key" in done.stdout) == (0, True), done.stderr
    (pin,) = (home / ".config" / "weighbridge" / "keys").iterdir()
    assert pin.read_text().count("BEGIN PUBLIC KEY") == 2
    assert run(hub, home, "verify", "later").returncode == 0
    assert run(hub, home, "verify", "open").returncode == 0
    again = got(hub, home, "lyceum/later")
    assert (again.returncode, "exchanged" in again.stdout) == (0, False), "it is said once"


def test_who_comes_afterwards_has_what_the_former_one_signed(
    hub: Hub, tmp_path: Path, exchange: Callable[..., None]
) -> None:
    exchange()
    for model in ("later", "open"):
        done = got(hub, tmp_path / "home", f"lyceum/{model}")
        assert done.returncode == 0, done.stderr
        assert run(hub, tmp_path / "home", "verify", model).returncode == 0


def test_a_key_that_nothing_vouches_for_is_not_trusted_and_the_next_step_is_said(
    hub: Hub, tmp_path: Path, exchange: Callable[..., None]
) -> None:
    home = tmp_path / "home"
    assert got(hub, home, "lyceum/open").returncode == 0
    exchange(dropped=True)
    refused = got(hub, home, "lyceum/later")
    assert refused.returncode == errors.UNPROVEN
    assert "If the portal announced a new key, remove" in refused.stderr
    assert not (home / "later" / "model.safetensors").exists()


def test_a_portal_that_makes_up_vouches_is_not_believed(
    hub: Hub, tmp_path: Path, exchange: Callable[..., None], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds a portal's place, but not its former key, signs by another and says that it was that one."""
    home = tmp_path / "home"
    assert got(hub, home, "lyceum/open").returncode == 0
    exchange()
    true = vouching.vouches()
    settings.FORMER_RECEIPT_SIGNING_KEYS = ["some secret of the impostor's own"]
    invented = [{**row, "by": true[1]["by"]} for row in vouching.vouches()]
    monkeypatch.setattr(vouching, "vouches", lambda: [*invented, {"by": 1}, None, {**true[0], "signature": "%%"}])
    refused = got(hub, home, "lyceum/later")
    assert refused.returncode == errors.UNPROVEN, refused.stdout


def test_whoever_names_a_key_means_that_one(hub: Hub, tmp_path: Path, exchange: Callable[..., None]) -> None:
    home = tmp_path / "home"
    assert got(hub, home, "lyceum/open").returncode == 0
    (pin,) = (home / ".config" / "weighbridge" / "keys").iterdir()
    exchange()
    told = run(hub, home, "get", "lyceum/later", "--key", str(pin), "--json")
    assert told.returncode == errors.UNPROVEN
    assert "no signature by the key of" in json.loads(told.stdout)["sentence"]
