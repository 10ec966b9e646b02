"""Rates of the Hub: the buckets, who counts as one caller, and that the standard clients wait and finish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from portal import counters
from releases.hub import limits
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import FILE, ask, bearer

INFO = "/api/models/lyceum/gated/revision/main"
SNAPSHOT = (
    "import sys; from huggingface_hub import snapshot_download as s; print(s(sys.argv[1], local_dir=sys.argv[2]))"
)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    counters.client().flushdb()
    yield
    counters.client().flushdb()


def allow(settings: Any, *, window_s: int = 300, **numbers: int) -> None:
    settings.HUB_LIMITS = {"api": 0, "resolvers": 0, "pages": 0} | numbers
    settings.HUB_WINDOW_S = window_s


def test_headers_count_down_and_the_refusal_says_when(hub: Hub, settings: Any) -> None:
    allow(settings, resolvers=2, api=100)
    holder = bearer(hub.token(hub.researcher))
    seen = [ask(hub.url, FILE, "HEAD", **holder) for _ in range(3)]
    assert [status for status, _, _ in seen] == [200, 200, 429]
    rates = [said["ratelimit"].rpartition(";t=") for _, said, _ in seen]
    assert [left for left, _, _ in rates] == ['"resolvers";r=1', '"resolvers";r=0', '"resolvers";r=0']
    assert all(0 < int(wait) <= 300 for _, _, wait in rates)
    assert seen[0][1]["ratelimit-policy"] == '"fixed window";"resolvers";q=2;w=300'
    status, said, body = ask(hub.url, FILE, **holder)
    assert status == 429
    assert said["retry-after"] == said["ratelimit"].rpartition("=")[2]
    told = json.loads(body)
    assert told["code"] == "rate_limited"
    assert "nothing is lost" in told["error"] == said["x-error-message"]
    assert "x-error-code" not in said, "a limit is no refusal of access"
    assert ask(hub.url, INFO, **holder)[0] == 200, "the first call of a snapshot counts elsewhere"


def test_a_person_is_one_caller_whatever_the_number_of_tokens(hub: Hub, settings: Any) -> None:
    allow(settings, api=2)
    ask(hub.url, INFO, **bearer(hub.token(hub.researcher)))
    ask(hub.url, INFO, **bearer(hub.token(hub.researcher)))
    assert ask(hub.url, INFO, **bearer(hub.token(hub.researcher)))[0] == 429
    assert ask(hub.url, INFO, **bearer(hub.token(hub.stranger)))[0] == 200, "another person"
    assert ask(hub.url, INFO)[0] == 200, "an address without a token"


def test_bad_tokens_count_against_their_address(hub: Hub, settings: Any) -> None:
    allow(settings, api=2)
    seen = [ask(hub.url, INFO, **bearer(f"wb_{n}"))[0] for n in range(3)]
    assert seen == [401, 401, 429]


def test_an_address_is_what_our_own_proxy_saw(rf: Any, settings: Any) -> None:
    def of(peer: str, forwarded: str = "") -> str:
        return limits.address(rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded))

    assert of("192.0.2.1", "198.51.100.7") == of("192.0.2.1"), (
        "nobody of ours stands in front: what is said is not read"
    )
    settings.TRUSTED_PROXIES = 1
    assert of("127.0.0.1", "203.0.113.9, 198.51.100.7") == of("127.0.0.1", "198.51.100.7")
    assert of("127.0.0.1", "198.51.100.8") != of("127.0.0.1", "198.51.100.7")
    settings.TRUSTED_PROXIES = 0
    assert of("2001:db8:1:2::3") == of("2001:db8:1:2:ffff::1") != of("2001:db8:1:3::3")


def test_without_redis_the_hub_goes_on_uncounted(hub: Hub, settings: Any, caplog: Any, monkeypatch: Any) -> None:
    allow(settings, api=1)
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere.sock")
    monkeypatch.setitem(limits._away, "until", 0.0)
    for _ in range(3):
        status, said, _ = ask(hub.url, INFO)
        assert (status, "ratelimit" in said) == (200, False)
    assert len([each for each in caplog.records if "not counted" in each.message]) == 1, (
        "said once, and not asked again"
    )


def test_pages_and_browser_downloads_have_buckets_too(hub: Hub, settings: Any) -> None:
    allow(settings, pages=1, resolvers=1)
    browser = Browser()
    page, file = "/lyceum/open", "/lyceum/open/download/main/config.json"
    assert browser.get(page).status_code == 200
    refused = browser.get(page)
    assert (refused.status_code, refused["RateLimit"].partition(";t")[0]) == (429, '"pages";r=0')
    assert "Too much for now" in refused.content.decode()
    assert browser.get(file).status_code == 302
    assert browser.get(file, headers={"Accept": "application/json"}).json()["code"] == "rate_limited"
    assert browser.get("/account/login/").status_code == 200, "signing in is no page of a model"


@pytest.mark.parametrize("line", ["1.31", "2.x"])
def test_the_clients_wait_and_finish(hub: Hub, settings: Any, tmp_path: Path, line: str) -> None:
    allow(settings, window_s=2, resolvers=9, api=50)
    python = clients.installed() if line == "1.31" else clients.newest()
    holder = Client(python, tmp_path / "home", hub.url, hub.token(hub.researcher))
    done = holder.script(SNAPSHOT, "lyceum/gated", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(hub.folder / "gated")
    assert "Rate limited. Waiting" in done.stderr, "it had to wait"
