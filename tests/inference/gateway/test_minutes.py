"""Many gateways on one store: no sliding minute, day or moment sees more than the limits, nobody is refused wrongly, and
nothing is left.

Each worker is a process with its own connection; the store's clock moves a little with every step, so that minutes and
midnight pass in a second. The store notes what it decided in which order, and a second reckoning in whole numbers, made
here and on its own, must come to the same.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import pytest

from inference.contract import WHEN_FULL, Access, Limits
from inference.gateway import limits
from inference.gateway.limits import Admitted, Limiter, Outcome, Refused
from inference.gateway.rights import Identity, Right, right_for
from inference.gateway.wire import Script, Wire
from tests.inference.gateway import rig
from tests.inference.gateway.test_limits import REAL_CLOCK

URL = f"{os.environ['REDIS_URL'].partition('?')[0]}?db=9"
LARGEST = 100
MINUTE, DAY = 60_000, 86_400_000
SPAN = 4 * MINUTE
ATTEMPTS = 12
"""Of each caller in one run, which lasts SPAN or longer on the store's clock."""
MIDNIGHT = 20_718 * DAY
CLOCK = """
local function clock()
  local n = redis.call('INCR', 'test:steps')
  return redis.call('INCRBY', 'test:now', 1 + (n * 7919) % redis.call('GET', 'test:stride'))
end
"""
NOTED = """
local reply = inner()
local told = {tonumber(redis.call('GET', 'test:now')), '%s', ARGV[1], reply[1], tonumber(ARGV[3]), tonumber(ARGV[4]) or 0}
if told[2] == 'admit' and reply[1] == 0 then told[6] = reply[3] end
redis.call('RPUSH', 'test:log', cjson.encode(told))
return reply
"""
TABLES = (
    Limits(requests_per_minute=96, tokens_per_minute=1200, concurrency=12, tokens_per_day=6000),
    Limits(requests_per_minute=18, tokens_per_minute=6000, concurrency=40, tokens_per_day=100_000),
    Limits(requests_per_minute=720, tokens_per_minute=600, concurrency=5, tokens_per_day=2500),
)
"""Such that a request and a token take whole milliseconds: then both reckonings are exact."""


def noted(script: Script, kind: str) -> Script:
    source = script.source.removeprefix(WHEN_FULL).replace(REAL_CLOCK, CLOCK)
    return Script(f"local function inner()\n{source}\nend\n{NOTED % kind}")


def the_right(table: int) -> Right:
    """One project's, the same in every process."""
    access = Access(rig.FAR, "lyceum/small", 0, Limits())
    principal = rig.principal(
        models={rig.MODEL: access}, project_limits=TABLES[table], project_id="p", token_id="t", user_id="u"
    )
    right = right_for(Identity("d" * 64, principal), rig.route(), largest=LARGEST)
    assert right
    return right


def work(worker: int, workers: int, callers: int, attempts: int, table: int, seed: int) -> None:
    """One gateway: so many callers at once, each one request after the other."""
    limits.ADMIT, limits.SETTLE = noted(_ADMIT, "admit"), noted(_SETTLE, "settle")
    store = rig.Store(URL).redis
    if store.incr("test:here") == workers:  # the last to come: all begin
        store.lpush("test:begin", *["now"] * workers)
    store.blpop("test:begin", 120)
    asyncio.run(_work(worker, callers, attempts, table, seed))


_ADMIT, _SETTLE = limits.ADMIT, limits.SETTLE


async def _work(worker: int, callers: int, attempts: int, table: int, seed: int) -> None:
    wire, right = Wire(URL), the_right(table)
    limiter = Limiter(wire, lease_ms=10_000)

    async def call(caller: int) -> None:
        dice = random.Random(f"{seed}/{worker}/{caller}")
        for attempt in range(attempts):
            tokens = dice.choice((1, 5, 20, 60, LARGEST))
            name = f"{worker}-{caller}-{attempt}"
            answer = await limiter.admit(name, right, tokens=tokens)
            if isinstance(answer, Admitted):
                for _ in range(dice.choice((0, 1, 3, 30))):
                    await wire.call("PING")
                used = dice.randint(0, tokens)
                await limiter.settle(name, Outcome("ok", used, 0))
            else:
                assert isinstance(answer, Refused)

    await asyncio.gather(*(call(caller) for caller in range(callers)))
    wire.close()


@dataclass
class Reckoning:
    """The limits again, in whole numbers and without Redis."""

    limits: Limits
    free_r: int = 0
    free_t: int = 0
    days: dict[int, int] = field(default_factory=dict)
    given: int = 0
    running: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    admitted: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        assert self.limits.requests_per_minute
        assert self.limits.tokens_per_minute
        self.burst_r = max(1, self.limits.requests_per_minute // 6)
        self.burst_t = max(LARGEST, self.limits.tokens_per_minute // 6)
        self.step_r, left = divmod(MINUTE, self.limits.requests_per_minute - self.burst_r)
        self.step_t, also = divmod(MINUTE, self.limits.tokens_per_minute - self.burst_t)
        assert (left, also) == (0, 0)

    def admit(self, now: int, name: str, tokens: int, *, passed: bool) -> None:
        r = max(self.free_r, now) + self.step_r
        t = max(self.free_t, now) + tokens * self.step_t
        day = now // DAY
        fits = (
            r - now <= self.burst_r * self.step_r
            and t - now <= self.burst_t * self.step_t
            and self.days.get(day, 0) + tokens <= (self.limits.tokens_per_day or 0)
            and len(self.running) < (self.limits.concurrency or 0)
        )
        assert passed == fits, (
            f"{name} at {now}: {'let in over a limit' if passed else 'refused though there was room'}"
        )
        if not passed:
            self.refused += 1
            return
        self.free_r, self.free_t = r, t
        self.days[day] = self.days.get(day, 0) + tokens
        self.running[name] = (now, tokens, t, self.given)
        self.most = max(self.most, len(self.running))

    def settle(self, now: int, name: str, used: int) -> None:
        at, tokens, full, given = self.running.pop(name)
        left = min((tokens - used) * self.step_t, full - (self.given - given) - now)
        if left > 0:
            self.free_t -= left
            self.given += left
        self.days[at // DAY] += used - tokens
        self.admitted[name] = (at, used)


def reckon(log: list[list[Any]], table: int) -> Reckoning:
    reckoning = Reckoning(TABLES[table])
    for now, kind, name, passed, third, fourth in log:
        if kind == "admit":
            reckoning.admit(now, name, third, passed=passed == 1)
        else:
            reckoning.settle(now, name, third + fourth)
    return reckoning


def fullest_minute(moments: list[int], amounts: list[int]) -> int:
    """The largest sum of any 60 s, wherever they begin; `moments` ascend."""
    sums = [0, *accumulate(amounts)]
    return max(sums[bisect_right(moments, at + MINUTE)] - sums[i] for i, at in enumerate(moments))


@pytest.mark.parametrize(
    ("workers", "callers", "runs"), [(2, 20, 3), pytest.param(8, 25, 100, marks=pytest.mark.drill)]
)
def test_no_minute_no_day_and_no_moment_sees_too_much_and_nobody_is_refused_wrongly(
    workers: int, callers: int, runs: int
) -> None:
    store = rig.Store(URL)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as processes:
        for run in range(runs):
            table = run % len(TABLES)
            store.redis.flushdb()
            store.redis.set("test:stride", 2 * SPAN // (workers * callers * ATTEMPTS))
            store.redis.set("test:now", MIDNIGHT - random.Random(run).randrange(20_000, 90_000))
            list(
                processes.map(
                    work, range(workers), *zip(*[(workers, callers, ATTEMPTS, table, run)] * workers, strict=True)
                )
            )
            _judge(store, table, attempts=workers * callers * ATTEMPTS)


def _judge(store: rig.Store, table: int, *, attempts: int) -> None:
    log = [json.loads(line) for line in store.redis.lrange("test:log", 0, -1)]
    reckoning, told = reckon(log, table), TABLES[table]
    admitted = sorted(reckoning.admitted.values())
    moments = [at for at, _ in admitted]
    assert len(admitted) + reckoning.refused == attempts
    assert admitted
    assert reckoning.refused, "the limits were met"
    assert moments[0] < MIDNIGHT < log[-1][0], "midnight passed"
    assert fullest_minute(moments, [1] * len(moments)) <= (told.requests_per_minute or 0)
    assert fullest_minute(moments, [used for _, used in admitted]) <= (told.tokens_per_minute or 0)
    assert reckoning.most <= (told.concurrency or 0)
    for day in (MIDNIGHT // DAY - 1, MIDNIGHT // DAY):
        assert sum(used for at, used in admitted if at // DAY == day) <= (told.tokens_per_day or 0)
    assert len(store.ledger()) == len(admitted)
    assert sum(event.prompt_tokens for event in store.ledger()) == sum(used for _, used in admitted)
    assert (store.held(), store.running(), reckoning.running) == ([], 0, {})
