"""What gateways count for misuse rules: refusals of somebody known, networks of a token, and never an address."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inference import contract
from inference.contract import Access
from inference.gateway.errors import bad_request
from inference.gateway.tallies import Tallies
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL


@pytest.fixture
def behind_a_proxy(folder: Path, redis_url: str, portal: rig.Portal, store: rig.Store) -> Iterator[rig.Gateway]:
    gateway = rig.Gateway(folder, redis_url, HEARTBEAT_MS="200", TRUSTED_PROXIES="1").ready()
    yield gateway
    gateway.stop()


def asked(gateway: rig.Gateway, token: str, address: str = "", **body: object) -> int:
    whole = {"model": MODEL, "prompt": "a", "max_tokens": 1, **body}
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}", "x-forwarded-for": address}
    request = urllib.request.Request(f"{gateway.base}/v1/completions", json.dumps(whole).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def test_refusals_are_counted_for_known_people_and_served_models_alone(
    behind_a_proxy: rig.Gateway, store: rig.Store
) -> None:
    known, outside = rig.principal(), rig.principal(models={"lyceum/other": Access(not_after=rig.FAR)})
    token = store.grant(known)
    assert asked(behind_a_proxy, token) == 200
    assert asked(behind_a_proxy, token, model="lyceum/unheard-of") == 404
    assert asked(behind_a_proxy, "wb_q_nothing") == 401
    assert [asked(behind_a_proxy, token, best_of=3) for _ in range(3)] == [400] * 3
    assert asked(behind_a_proxy, store.grant(outside)) == 403
    wanted = {contract.tally_name(known, MODEL): "3", contract.tally_name(outside, MODEL): "1"}
    rig.wait_for(lambda: store.redis.hgetall(contract.refusals_key(today())) == wanted)
    assert 0 < store.redis.pttl(contract.refusals_key(today())) <= contract.TALLY_TTL_MS


def test_networks_are_counted_and_no_address_leaves_the_process(behind_a_proxy: rig.Gateway, store: rig.Store) -> None:
    principal = rig.principal()
    token, key = store.grant(principal), contract.networks_key(today(), contract.tally_name(principal, MODEL))
    for address in ("192.0.2.7", "192.0.2.99", "2001:db8:1:2::1", "2001:db8:1:9::1"):
        assert asked(behind_a_proxy, token, address) == 200
    rig.wait_for(lambda: store.redis.pfcount(key) == 2)
    for spoofed in ("203.0.113.1, 192.0.2.7", "203.0.113.2, 192.0.2.7"):
        assert asked(behind_a_proxy, token, spoofed) == 200
    assert asked(behind_a_proxy, token, "198.51.100.1") == 200
    rig.wait_for(lambda: store.redis.pfcount(key) == 3)
    held = "".join(store.redis.scan_iter("*")) + store.redis.execute_command("GET", key, NEVER_DECODE=True).hex()
    assert "192.0.2" not in held


def test_a_refusal_that_comes_while_others_are_put_away_is_counted_too() -> None:
    principal = rig.principal()
    call: Any = SimpleNamespace(principal=principal, asked=MODEL)
    counted: list[int] = []

    class Wire:
        """Somebody is refused while the store is asked for the first time."""

        async def call(self, command: str, *arguments: Any) -> None:
            if command == "HINCRBY":
                counted.append(arguments[-1])
                if len(counted) == 1:
                    tallies.refused(call, refusal)

    wire: Any = Wire()
    refusal, tallies = bad_request("No."), Tallies(wire, secret="x", proxies=0)
    tallies.refused(call, refusal)
    for _ in range(3):
        asyncio.run(tallies.put())
    assert counted == [1, 1]
