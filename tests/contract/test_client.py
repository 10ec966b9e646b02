"""Our own client against the running portal: whole, after a kill, after an expired link, revoked, and with a bad store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client as Browser

from portal.access import actions as access
from portal.access.models import Grant
from portal.tokens import devices
from releases.models import Download, File
from releases.permits import place
from releases.proof_models import ModelSignature
from tests.contract import clients, hub
from tests.contract.hub import Hub
from tests.releases.folders import safetensors
from weighbridge_client import errors

PART = 8 << 20
LARGE = 30_000_000


@pytest.fixture(autouse=True)
def _signs(settings: Any) -> None:
    """Before anything is published: the portal's key lies under every release."""
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own, long enough"


def command(world: Hub, home: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of one run, which knows nothing but the portal's address."""
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(clients.ROOT / "client"),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": world.url,
    }
    return [sys.executable, "-m", "weighbridge_client", *arguments], environment


def run(world: Hub, home: Path, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    line, environment = command(world, home, *arguments)
    environment |= {"HF_TOKEN": token} if token else {}
    return subprocess.run(line, env=environment, cwd=home, capture_output=True, text=True, timeout=90)


def released(folder: Path) -> dict[str, str]:
    """Digests of a folder's files, without what the client keeps beside them."""
    return {path: found for path, found in clients.digests(folder).items() if not path.startswith(".weighbridge/")}


class Meddling:
    """The portal, with something done before each request for the bytes of a file that `meddle` is told of."""

    def __init__(self, meddle: Callable[[str, Any], Any]) -> None:
        self.application, self.meddle = hub.portal(), meddle

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path", "").startswith("/blobs/"):
            wanted = dict(scope["headers"]).get(b"range", b"").decode()
            if await self.meddle(wanted, send):
                return
        await self.application(scope, receive, send)


def serving_large(url: str, tmp_path: Path, elements: int = LARGE // 4) -> Hub:
    django_settings.BASE_URL = url
    world = hub.build(url, tmp_path / "published")
    hub.published(world.world, "large", hub.model_folder(tmp_path / "published" / "large", elements=elements))
    return world


def test_an_approved_person_has_the_whole_model_proven_and_a_second_run_has_nothing_to_do(
    hub: Hub, tmp_path: Path
) -> None:
    token = hub.token(hub.researcher)
    done = run(hub, tmp_path / "home", "get", "lyceum/gated", token=token)
    assert done.returncode == 0, done.stderr
    got = tmp_path / "home" / "gated"
    assert "all as released" in done.stdout
    assert released(got) == clients.digests(hub.folder / "gated")
    rows = Download.objects.count()
    again = run(hub, tmp_path / "home", "get", "lyceum/gated", "--json", token=token)
    assert json.loads(again.stdout)["fetched"] == []
    assert Download.objects.count() == rows
    assert run(hub, tmp_path / "home", "verify", "gated").returncode == 0
    (got / "model.safetensors").write_bytes(b"x")
    assert run(hub, tmp_path / "home", "verify", "gated").returncode == errors.BAD


def test_what_nobody_signed_is_fetched_only_by_who_says_so(hub: Hub, tmp_path: Path) -> None:
    ModelSignature.objects.all().delete()
    refused = run(hub, tmp_path / "home", "get", "lyceum/open")
    assert refused.returncode == errors.UNPROVEN, refused.stderr
    assert "add --unsigned" in refused.stderr
    assert not (tmp_path / "home" / "open" / "model.safetensors").exists()
    assert run(hub, tmp_path / "home", "get", "lyceum/open", "--unsigned").returncode == 0


def test_only_what_one_asks_for_comes(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, tmp_path / "home", "get", "lyceum/open", "--include", "*.json", "--to", "here")
    assert done.returncode == 0, done.stderr
    assert list(released(tmp_path / "home" / "here")) == ["config.json", "eval/results.json", "tokenizer_config.json"]


@pytest.mark.parametrize("model", ["lyceum/gated", "lyceum/nothing-here"])
def test_who_may_not_is_told_in_the_portals_own_words(hub: Hub, tmp_path: Path, model: str) -> None:
    done = run(hub, tmp_path / "home", "get", model, token=hub.token(hub.stranger))
    assert done.returncode == errors.REFUSED
    assert (f"{hub.url}/apply/" in done.stderr) == (model == "lyceum/gated"), done.stderr
    assert not (tmp_path / "home" / "gated" / "model.safetensors").exists()


def test_who_is_not_known_is_told_how_to_log_in_and_which_token_was_not_sent(hub: Hub, tmp_path: Path) -> None:
    plain = run(hub, tmp_path / "home", "get", "lyceum/gated")
    assert plain.returncode == errors.REFUSED
    assert plain.stderr.endswith("\nLog in with: weighbridge login\n")
    set_elsewhere = run(hub, tmp_path / "home", "get", "lyceum/gated", token="hf_somebodys")
    assert set_elsewhere.stderr.endswith("Unset HF_TOKEN, and log in with: weighbridge login\n")
    (tmp_path / "home" / "hf").mkdir()
    (tmp_path / "home" / "hf" / "token").write_text("hf_somebodys")
    kept_elsewhere = run(hub, tmp_path / "home", "get", "lyceum/gated")
    assert kept_elsewhere.stderr.endswith("was not sent. Log in with: weighbridge login --replace\n")
    assert "hf_somebodys" not in set_elsewhere.stderr + kept_elsewhere.stderr


def test_a_killed_run_goes_on_where_it_was(transactional_db: None, settings: Any, tmp_path: Path) -> None:
    go, held = threading.Event(), []

    async def hold(wanted: str, _send: Any) -> None:
        if wanted.startswith((f"bytes={2 * PART}-", f"bytes={3 * PART}-")):
            held.append(wanted)
            await asyncio.to_thread(go.wait, 60)

    with hub.serving(Meddling(hold)) as url:
        world = serving_large(url, tmp_path)
        line, environment = command(world, tmp_path / "home", "get", "lyceum/large", "--threads", "2")
        first = subprocess.Popen(line, env=environment, cwd=tmp_path / "home", stderr=subprocess.PIPE)
        until(lambda: len(held) >= 2 or first.poll() is not None)
        assert first.poll() is None, first.communicate()
        first.kill()
        first.communicate()
        go.set()
        before = Download.objects.filter(path="model.safetensors").count()
        done = run(world, tmp_path / "home", "get", "lyceum/large")
        assert done.returncode == 0, done.stderr
        asked = Download.objects.filter(path="model.safetensors").order_by("at").values_list("wanted", flat=True)
    assert {wanted.partition("-")[0] for wanted in list(asked)[before:]} == {f"bytes={2 * PART}", f"bytes={3 * PART}"}
    assert not list((tmp_path / "home" / "large" / ".weighbridge" / "parts").glob("*.part"))
    got = clients.digests(tmp_path / "home" / "large")
    assert got["model.safetensors"] == clients.digests(world.folder / "large")["model.safetensors"]


def test_an_expired_link_is_fetched_anew_in_the_same_run(transactional_db: None, settings: Any, tmp_path: Path) -> None:
    refused: list[str] = []

    async def expire(wanted: str, send: Any) -> bool:
        if len(refused) >= 3:
            return False
        refused.append(wanted)
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return True

    with hub.serving(Meddling(expire)) as url:
        world = serving_large(url, tmp_path)
        done = run(world, tmp_path / "home", "get", "lyceum/large")
    assert done.returncode == 0, done.stderr
    assert len(refused) == 3
    links = Download.objects.filter(model="lyceum/large").count()
    assert links == 5 + 4 + 3, "a link for each small file, for each of four parts, and a fresh one for each refusal"


def test_access_revoked_between_two_shards_stops_the_run_with_the_portals_sentence(
    transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    world: list[Hub] = []

    def revoke() -> None:
        grant = Grant.objects.get(user=world[0].researcher)
        access.revoke_grant(by=world[0].world.manager, grant=grant, reason="The project has ended.")
        connection.close()

    shard = safetensors({"head.weight": ("F32", [1001], b"\1" * 4004)})

    async def after_the_first_shard(wanted: str, _send: Any) -> None:
        if world and wanted == f"bytes=0-{len(shard) - 1}":
            await asyncio.to_thread(revoke)

    with hub.serving(Meddling(after_the_first_shard)) as url:
        django_settings.BASE_URL = url
        made = hub.build(url, tmp_path / "published")
        folder = hub.model_folder(tmp_path / "published" / "two", **{"a-1.safetensors": shard})
        model = hub.published(made.world, "two", folder)
        hub.actions.describe_model(model=model, by=made.world.manager, gate=made.world.gate)
        token = made.token(made.researcher)
        world.append(made)
        done = run(made, tmp_path / "home", "get", "lyceum/two", "--threads", "1", token=token)
    assert done.returncode == errors.REFUSED, done.stderr
    assert "revoked" in done.stderr
    got = clients.digests(tmp_path / "home" / "two")
    assert "a-1.safetensors" in got, "its link was given before"
    assert "model.safetensors" not in got


def test_a_byte_that_flipped_in_the_store_is_traced_to_its_tensor_and_the_file_gets_no_name(
    hub: Hub, tmp_path: Path
) -> None:
    held = File.objects.get(revision__model=hub.open, revision=hub.open.main, path="model.safetensors")
    stored = place(django_settings.STORE_PATH, held.sha256)
    raw = bytearray(stored.read_bytes())
    raw[-20] ^= 1
    stored.chmod(0o644)
    try:
        stored.write_bytes(raw)
        done = run(hub, tmp_path / "home", "get", "lyceum/open")
    finally:
        raw[-20] ^= 1
        stored.write_bytes(raw)
    assert done.returncode == errors.BAD, done.stderr
    assert "model.safetensors is not as released: tensor model.embed is bad" in done.stderr
    assert not (tmp_path / "home" / "open" / "model.safetensors").exists()
    assert (tmp_path / "home" / "open" / "README.md").exists()
    assert run(hub, tmp_path / "home", "get", "lyceum/open").returncode == 0, "a later run begins anew"


def test_login_by_code_stores_the_token_where_hf_finds_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "INTERVAL_S", 1)
    line, environment = command(hub, tmp_path / "home", "login")
    with subprocess.Popen(
        line, env=environment, cwd=tmp_path / "home", stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        code = next(line.split("=")[1].split()[0] for line in process.stderr if "?code=" in line)
        browser = Browser()
        browser.force_login(hub.researcher)
        sent = {"code": code, "label": "cluster", "kind": "dl", "days": "30", "approve": "1"}
        assert browser.post("/device/answer/", sent).status_code == 200
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Logged in" in out
    asked = clients.Client(clients.installed(), tmp_path / "home", hub.url).hf("auth", "whoami")
    assert hub.researcher.email in asked.stdout
    done = run(hub, tmp_path / "home", "get", "lyceum/gated")
    assert done.returncode == 0, done.stderr


def until(true: Callable[[], bool], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
