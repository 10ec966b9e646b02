"""Parts of the portal are killed by kill -9 while queries run: what was answered is billed exactly, once, and nothing is left."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from infra.embedded import database
from tests.inference.gateway import rig
from tests.inference.gateway.chaos import HEARTBEAT_S, PAUSE_S, TOKENS, Seen, Site, ask

AT_ONCE = 8
UNHEARD = HEARTBEAT_S / PAUSE_S + 35
"""Tokens that one heartbeat, and a slow machine, may leave unseen."""


@pytest.fixture
def site(db: None) -> Iterator[Site]:
    """On a copy of the test database's schema."""
    given = connection.settings_dict
    dump = [str(database.binaries() / "pg_dump"), "--schema-only", "--no-owner", "-U", given["USER"]]
    schema = subprocess.run([*dump, "-h", given["HOST"], given["NAME"]], check=True, capture_output=True).stdout
    home = Path(tempfile.mkdtemp(prefix="wb-chaos-", dir="/tmp"))
    home.chmod(0o711)
    site = Site(home, schema)
    yield site
    site.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("queries", "every"),
    [
        pytest.param(40, 8, marks=pytest.mark.timeout(300)),
        pytest.param(1000, 40, marks=[pytest.mark.drill, pytest.mark.timeout(1800)]),
    ],
)
def test_whatever_is_killed_each_answer_is_billed_once_and_nothing_is_left(site, queries, every):
    seen = _under_fire(site, queries, every)
    rig.wait_for(site.settled, 60)
    rows = site.sql("SELECT request_id, status, prompt_tokens, completion_tokens FROM inference_usagerecord")
    ledger = {row[0]: row for row in rows}
    assert len(rows) == len(ledger), "a request has two rows"
    whole = [one for one in seen if one.usage]
    assert len(whole) > queries / 2
    assert {"ok", "lost", "upstream_error"} <= {row[1] for row in rows}, "nothing was broken off"
    for one in whole:
        assert ledger[one.request_id] == (one.request_id, "ok", *one.usage)
    for one in seen:
        if not one.usage:
            _broken_off_is_billed_to_a_heartbeat(one, ledger)
    tokens = sum(prompt + completion for _, _, prompt, completion in rows)
    for table in ("inference_hourlyusage", "inference_dailyusage"):
        sums = site.sql(f"SELECT sum(requests), sum(prompt_tokens + completion_tokens) FROM {table}")
        assert sums == [(len(rows), tokens)], table
    (counter,) = site.store.counters().values()
    assert (counter.running, counter.tokens_in_day) == (0, tokens)


def _broken_off_is_billed_to_a_heartbeat(one: Seen, ledger: dict[str, tuple[str, str, int, int]]) -> None:
    row = ledger.get(one.request_id)
    if one.status == 200:
        assert row is not None, one
        assert one.delivered - UNHEARD <= row[3] <= TOKENS, (one, row)
    elif row is not None:
        assert row[3] == 0, (one, row)


class Callers(threading.Thread):
    """AT_ONCE people who ask and ask. The parts are started by the test's own thread: servers end with theirs."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site, self.enough = site, threading.Event()
        self.seen: list[Seen] = []

    def run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(AT_ONCE)))

    async def _one(self, number: int) -> None:
        while not self.enough.is_set():
            number += 1
            answer = await ask(self.site.gateway.port, self.site.token, stream=number % 3 > 0)
            self.seen.append(answer)
            if answer.status != 200:
                await asyncio.sleep(0.2)  # as a client does that is told to come again

    def served(self) -> int:
        """Queries that were answered, be it in part."""
        return sum(one.status == 200 for one in list(self.seen))


def _under_fire(site: Site, queries: int, every: int) -> list[Seen]:
    """At least so many queries that are served; each time that another `every` have ended, one part is killed. All parts have
    their turn before one has its second."""
    chance, callers = random.Random(5), Callers(site)
    callers.start()
    turns = chance.sample(sorted(site.parts), len(site.parts))
    while turns or callers.served() < queries:
        mark = callers.served() + every
        rig.wait_for(lambda mark=mark: callers.served() >= mark, 120)
        turns = turns or chance.sample(sorted(site.parts), len(site.parts))
        site.kill(turns.pop())
    callers.enough.set()
    callers.join(120)
    assert not callers.is_alive()
    return callers.seen
