"""What is counted against guessing is counted by all processes of the portal together, and by each for itself where the
store is away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from allauth.account.models import EmailAddress
from django.core.cache import caches
from django.db import connection
from django.test import Client

from portal import env, remembering
from portal.people.models import User
from tests.portal import world
from tests.stack import free_port

ROOT = Path(__file__).parents[2]
TRIES = 8
"""Wrong passwords: where three processes each count for themselves, five of them are too few."""


@pytest.fixture(autouse=True)
def _asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_away", {"until": 0.0})


@pytest.fixture
def workers(transactional_db: None) -> Iterator[str]:
    """The address of a web tier of three processes, as it is served in the scaled size."""
    of, port = connection.settings_dict, free_port()
    told = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{of['USER']}@/{of['NAME']}?host={of['HOST']}",
        "BASE_URL": f"http://127.0.0.1:{port}",
    }
    line = [sys.executable, "-m", "gunicorn", "portal.wsgi:application", "--workers", "3", "--threads", "2"]
    server = subprocess.Popen([*line, "--bind", f"127.0.0.1:{port}"], env=told, cwd=ROOT)
    try:
        yield _answering(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        server.wait(30)


def _answering(base: str, server: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "it ended"
        try:
            if httpx.get(f"{base}/account/login/").status_code == 200:
                return base
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("it does not answer")


def guess(base: str, email: str, password: str) -> str:
    """One try from a connection of its own: what the page says of it."""
    with httpx.Client(base_url=base) as visitor:
        page = visitor.get("/account/login/")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"login": email, "password": password, "csrfmiddlewaretoken": token}
        answer = visitor.post("/account/login/", data=form)
    if answer.status_code == 302:
        return "in"
    return "told to wait" if "Too many failed" in answer.text or answer.status_code == 429 else "wrong"


def test_whoever_guesses_has_five_tries_whichever_process_answers_and_others_are_let_in(workers: str) -> None:
    mara, noor = world.person("Mara Lindqvist"), world.person("Noor Bakker")
    for user in (mara, noor):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    told = Counter(guess(workers, mara.email, f"wrong {number}") for number in range(TRIES))
    assert told == {"wrong": 5, "told to wait": TRIES - 5}
    assert guess(workers, mara.email, world.PASSWORD) == "told to wait"
    assert guess(workers, noor.email, world.PASSWORD) == "in"


@pytest.fixture
def away(unused_store: str) -> remembering.Shared:
    """A cache whose store does not answer."""
    return remembering.Shared(unused_store, {"KEY_PREFIX": "portal"})


@pytest.fixture
def unused_store(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/nobody.sock?db=0"


def test_where_the_store_is_away_each_process_counts_for_itself_and_asks_again_later(
    away: remembering.Shared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(away._store, "add", lambda *given: asked.append("add") or _refuse())
    assert away.add("code", "y", 60)
    assert not away.add("code", "y", 60)
    assert away.get("code") == "y"
    assert asked == ["add"], "the second was not kept waiting"
    assert "each process counts for itself" in caplog.text
    remembering._away["until"] = 0.0
    away.add("code", "y", 60)
    assert asked == ["add", "add"]
    away._own.clear()


def _refuse() -> None:
    raise remembering.RedisError("away")


def test_nobody_is_kept_out_while_the_store_is_away(db: None, settings, unused_store: str, mara: User) -> None:
    EmailAddress.objects.create(user=mara, email=mara.email, verified=True, primary=True)
    settings.CACHES = {**settings.CACHES, "default": {**settings.CACHES["default"], "LOCATION": unused_store}}
    client = Client()
    wrong = client.post("/account/login/", {"login": mara.email, "password": "wrong"})
    assert wrong.status_code == 200
    assert client.post("/account/login/", {"login": mara.email, "password": world.PASSWORD}).status_code == 302


@pytest.fixture
def shared() -> remembering.Shared:
    return caches["default"]


def test_what_is_kept_is_json_so_that_nothing_in_the_store_is_run(shared: remembering.Shared) -> None:
    shared.set("times", [1.5, 2.0], 60)
    client = shared._store._cache.get_client(write=True)
    assert client.get(shared.make_key("times")) == b"[1.5, 2.0]"
    client.set(shared.make_key("times"), b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ValueError):  # noqa: PT011 JSON's own
        shared.get("times")


def test_forgetting_all_leaves_the_jobs_in_the_same_store(shared: remembering.Shared) -> None:
    client = shared._store._cache.get_client(write=True)
    client.lpush("jobs", "a job")
    shared.set("one", 1, 60)
    shared.touch("one", 120)
    assert shared.get("one") == 1
    shared.clear()
    assert shared.get("one") is None
    assert not shared.delete("one")
    assert client.llen("jobs") == 1
    client.delete("jobs")


@pytest.mark.parametrize(("broker", "found"), [
    ("redis+socket:///run/broker.sock", "unix:///run/broker.sock?db=0"),
    ("redis+socket://:word@/run/broker.sock?virtual_host=3", "unix://:word@/run/broker.sock?db=3"),
    ("rediss://:word@broker:6380/2", "rediss://:word@broker:6380/2"),
])  # fmt: skip
def test_the_brokers_address_is_read_as_celery_reads_it(broker: str, found: str) -> None:
    assert env.behind(broker) == found
