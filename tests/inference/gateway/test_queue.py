"""Full pools: who waits, who is next, and what is left when somebody leaves."""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import openai
import pytest

from inference.contract import Access, Limits, Route
from inference.gateway import limits
from inference.gateway.limits import Admitted, Limiter, Refused
from inference.gateway.rights import Identity, Right, right_for
from inference.gateway.wire import Script
from tests.inference.gateway import rig
from tests.inference.gateway.test_faults import open_stream, raw_request
from tests.inference.gateway.test_limits import REAL_CLOCK, TEST_CLOCK, Bench
from tests.inference.gateway.test_refusals import ask, client_for

HOLD = "a #itl=100"
"""A prompt whose stream keeps its place for a minute and a half."""
ROUNDS = [60, pytest.param(2000, marks=pytest.mark.drill)]


class Pool(Bench):
    """One pool on a virtual clock, with projects that ask for places at it."""

    def prepare(self, places: int, *, length: int = 512) -> None:
        self.route: Route = rig.route(limits=Limits(concurrency=places))
        self.limiter = Limiter(self.wire, lease_ms=10_000_000, queue_length=length)
        self.running: list[tuple[str, str]] = []
        self.waiting: dict[str, str] = {}
        self.number = 0

    def project(self, name: str, own: Limits | None = None) -> Right:
        access = Access(rig.FAR, "lyceum/small", 0, own or Limits())
        principal = replace(rig.principal(models={rig.MODEL: access}), project_id=name)
        right = right_for(Identity("d" * 64, principal), self.route, largest=10**6)
        assert right
        return right

    def come(self, right: Right, tokens: int = 100, rank: int = 2) -> Admitted | Refused:
        self.number += 1
        name, project = f"r{self.number:05d}", right.identity.principal.project_id
        answer = self.loop.run_until_complete(self.limiter.admit(name, right, tokens=tokens, rank=rank))
        self.last = name
        if isinstance(answer, Admitted) and answer.waits:
            self.waiting[name] = project
        elif isinstance(answer, Admitted):
            self.running.append((name, project))
        return answer

    def turn(self) -> list[str]:
        """Ask whose turn it is; returns the requests that may go."""
        names = list(self.waiting)
        _, places = self.loop.run_until_complete(self.limiter.turn(self.route, names))
        go = [name for name, place in zip(names, places, strict=True) if place == 0]
        self.running += [(name, self.waiting.pop(name)) for name in go]
        return go

    def finish(self) -> None:
        """The oldest that runs ends."""
        self.settle(self.running.pop(0)[0], 100)

    def place(self, name: str) -> int:
        return self.loop.run_until_complete(self.limiter.turn(self.route, [name]))[1][0]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The tests on a virtual clock; those with a gateway leave it alone."""
    if "pool" in request.fixturenames:
        for name in ("ADMIT", "SETTLE", "HEARTBEAT", "REAP", "ALIVE", "TURN", "LOOK"):
            monkeypatch.setattr(limits, name, Script(getattr(limits, name).source.replace(REAL_CLOCK, TEST_CLOCK)))


@pytest.fixture
def pool() -> Iterator[Pool]:
    """In a database of its own: no gateway's sweeper, which goes by the real clock, comes by."""
    bench = Pool(f"{os.environ['REDIS_URL'].partition('?')[0]}?db=9")
    yield bench
    bench.wire.close()
    bench.loop.close()


# --- The order ----------------------------------------------------------------------------------------------------


def test_a_project_with_five_requests_is_not_starved_by_one_with_fifty(pool: Pool) -> None:
    """Both wait; places come one by one. The five are served among the first ten."""
    pool.prepare(1)
    big, small = pool.project("big"), pool.project("small")
    for _ in range(51):
        pool.come(big)
    for _ in range(5):
        pool.come(small)
    order = []
    while pool.waiting:
        pool.finish()
        pool.turn()
        order.append(pool.running[-1][1])
    assert Counter(order[:10]) == {"big": 5, "small": 5}
    assert order[10:] == ["big"] * 45


@pytest.mark.parametrize("rounds", ROUNDS)
def test_shares_are_equal_by_tokens_whatever_the_sizes(pool: Pool, rounds: int) -> None:
    """Three projects that always wait, with small, mixed and large requests: what each is given differs by no more than
    two of the largest."""
    pool.prepare(4)
    chance = random.Random(11)
    sizes = {"small": (10, 60), "mixed": (10, 2000), "large": (1500, 2000)}
    rights = {name: pool.project(name) for name in sizes}
    given, tokens_of = Counter(), {}

    def come(name: str) -> None:
        tokens = chance.randint(*sizes[name])
        pool.come(rights[name], tokens)
        tokens_of[pool.last] = tokens

    for _ in range(4):
        come("small")
    for name in sizes:
        for _ in range(8):
            come(name)
    for _ in range(rounds):
        pool.finish()
        for name in pool.turn():
            project = dict(pool.running)[name]
            given[project] += tokens_of[name]
            come(project)
    assert max(given.values()) - min(given.values()) <= 2 * 2000


def test_higher_classes_go_first_and_lower_ones_age(pool: Pool) -> None:
    """Interactive never runs dry here; normal has every fifth turn and batch every seventeenth or so, never none."""
    pool.prepare(1)
    rights = [pool.project(name) for name in ("talks", "works", "files")]
    pool.come(rights[0])
    for rank in (1, 2, 3):
        for _ in range(60):
            pool.come(rights[rank - 1], rank=rank)
    order = []
    for _ in range(60):
        pool.finish()
        pool.turn()
        order.append(pool.running[-1][1])
    assert order[:4] == ["talks"] * 4
    shares = Counter(order)
    assert shares["talks"] > shares["works"] > shares["files"] >= 3
    turns = [turn for turn, who in enumerate(order) if who == "files"]
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert max(gaps) <= 17


def test_a_newcomer_does_not_pass_those_who_wait_though_a_place_is_free(pool: Pool) -> None:
    pool.prepare(1)
    first, late = pool.project("first"), pool.project("late")
    pool.come(first)
    assert pool.come(first).waits
    pool.finish()
    assert pool.come(late).waits
    assert pool.turn() == ["r00002"]


def test_who_leaves_is_not_held_against_their_project_and_leaves_nothing(pool: Pool) -> None:
    pool.prepare(1)
    fickle, other = pool.project("fickle"), pool.project("other")
    pool.come(other)
    for _ in range(20):
        pool.come(fickle, 1000)
        pool.waiting.pop(pool.last)
        pool.settle(pool.last, 0, "client_abort")
    pool.come(other)
    pool.come(fickle)
    for _ in range(2):
        pool.finish()
        pool.turn()
    assert [project for _, project in pool.running] == ["fickle"]
    pool.finish()
    assert pool.store.running() == 0
    assert pool.store.held() == []
    assert [key for key in pool.store.redis.scan_iter("wb:queue:*") if not key.endswith(":pace")] == []
    assert [event.project_id for event in pool.store.ledger()] == ["other", "other", "fickle"]


def test_whose_gateway_died_is_passed_over_and_settled_without_a_row(pool: Pool) -> None:
    pool.prepare(1)
    pool.limiter = Limiter(pool.wire, lease_ms=5_000)
    dead, alive = pool.project("dead"), pool.project("alive")
    pool.come(alive)
    pool.come(dead)
    pool.waiting.clear()
    pool.pass_time(6_000)
    pool.limiter = Limiter(pool.wire, lease_ms=5_000_000)
    pool.come(alive)
    pool.finish()
    assert pool.turn() == ["r00003"]
    assert pool.reap() == 1
    assert [event.project_id for event in pool.store.ledger()] == ["alive"]


def test_what_is_over_ones_own_limit_is_said_at_once_and_nothing_else(pool: Pool) -> None:
    """The pool is full: who is within their limits waits, waiting counts as running, and who is over hears of it."""
    pool.prepare(1)
    pool.come(pool.project("other"))
    own = pool.project("own", Limits(concurrency=2, tokens_per_day=1000))
    assert pool.come(own, 300).waits
    assert pool.come(own, 300).waits
    third = pool.come(own, 300)
    assert (third.scope, third.kind) == ("model", "concurrency")
    pool.settle("r00003", 0, "refused")
    large = pool.come(own, 900)
    assert (large.scope, large.kind) == ("model", "day")


def test_a_full_queue_refuses_and_no_project_may_have_more_than_half_of_it(pool: Pool) -> None:
    pool.prepare(1, length=6)
    big, other = pool.project("big"), pool.project("other")
    pool.come(big)
    assert [isinstance(pool.come(big), Refused) for _ in range(5)] == [False, False, False, True, True]
    assert [isinstance(pool.come(other), Refused) for _ in range(4)] == [False, False, False, True]
    assert (pool.come(other).scope, pool.come(other).kind) == ("pool", "queue")


def test_places_and_the_estimate(pool: Pool) -> None:
    pool.prepare(1)
    right = pool.project("one")
    pool.come(right)
    for rank in (2, 2, 3, 1):
        pool.come(right, rank=rank)
    assert [pool.place(f"r0000{number}") for number in (2, 3, 4, 5)] == [2, 3, 4, 1]
    for _ in range(3):
        pool.pass_time(200)
        pool.finish()
        pool.turn()
    standing = pool.loop.run_until_complete(pool.limiter.look(pool.route, "one"))
    assert (standing.running, standing.waiting) == (1, {"interactive": 0, "normal": 0, "batch": 1})
    assert 0 < standing.gap <= 200
    assert standing.own == [("r00004", "batch", 1, 600)]
    assert pool.loop.run_until_complete(pool.limiter.look(pool.route, "stranger")).own == []


# --- Through the gateway ------------------------------------------------------------------------------------------


@pytest.fixture
def full(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> Iterator[tuple[rig.Gateway, openai.OpenAI]]:
    """A pool with one place, which a slow stream holds until the test ends."""
    store.publish(rig.route(engine, limits=Limits(concurrency=1)))
    holder = store.grant(rig.principal())
    connection, _ = open_stream(gateway, raw_request(holder, HOLD, 900))
    yield gateway, connection
    connection.close()
    rig.wait_for(lambda: not store.held())


def queue_of(gateway: rig.Gateway, token: str) -> dict:
    return httpx.get(f"{gateway.base}/v1/queue", headers={"Authorization": f"Bearer {token}"}).json()["data"][0]


def wait_in_line(gateway: rig.Gateway, token: str, number: int) -> dict:
    return rig.wait_for(lambda: (line := queue_of(gateway, token)) and sum(line["waiting"].values()) == number and line)


def test_a_request_waits_for_its_place_and_says_how_long(full, store: rig.Store) -> None:
    gateway, connection = full
    token = store.grant(rig.principal())
    client = client_for(gateway, token)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(
            client.completions.with_raw_response.create, model=rig.MODEL, prompt="a", max_tokens=2,
            extra_headers={"Weighbridge-Class": "interactive"},
        )  # fmt: skip
        line = wait_in_line(gateway, token, 1)
        assert (line["places"], line["running"], line["waiting"]["interactive"]) == (1, 1, 1)
        assert [(own["class"], own["place"]) for own in line["yours"]] == [("interactive", 1)]
        connection.close()
        raw = answer.result(20)
    assert int(raw.headers["weighbridge-queued-ms"]) > 0
    assert raw.headers["weighbridge-class"] == "interactive"
    assert raw.parse().usage.completion_tokens == 2
    rig.wait_for(lambda: not store.held())


def test_a_client_that_leaves_leaves_the_line_at_once_and_pays_nothing(full, store: rig.Store) -> None:
    gateway, _ = full
    principal = rig.principal(Limits(tokens_per_day=1000, concurrency=3))
    token = store.grant(principal)
    waiting = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(3)]
    for number, one in enumerate(waiting):
        one.sendall(raw_request(token, f"{number}", 20, stream=number == 0))
    wait_in_line(gateway, token, 3)
    for one in waiting:
        one.close()
    wait_in_line(gateway, token, 0)
    rig.wait_for(lambda: len(store.held()) == 2)  # the stream that holds the place
    counter = store.counter("project", principal.project_id)
    assert (counter.tokens_in_day, counter.running) == (0, 0)
    assert store.ledger() == []


def test_a_revoked_caller_leaves_the_line(full, store: rig.Store) -> None:
    gateway, _ = full
    token = store.grant(rig.principal())
    client = client_for(gateway, token)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask, client)
        wait_in_line(gateway, token, 1)
        store.revoke(token)
        with pytest.raises(openai.PermissionDeniedError):
            answer.result(10)
    assert store.ledger() == []


def test_the_wait_is_bounded_and_a_full_pool_is_never_429(
    folder: Path,
    redis_url: str,
    portal: rig.Portal,
    store: rig.Store,
    engine: rig.Engine,
) -> None:
    store.publish(rig.route(engine, limits=Limits(concurrency=1)))
    short = {"HEARTBEAT_MS": "300", "LEASE_MS": "3000", "QUEUE_SECONDS": "1", "QUEUE_LENGTH": "4"}
    gateway = rig.Gateway(folder, redis_url, **short).ready()
    try:
        holder, _ = open_stream(gateway, raw_request(store.grant(rig.principal()), HOLD, 900))
        client = client_for(gateway, store.grant(rig.principal()))

        def one(_: int) -> openai.InternalServerError:
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client)
            return caught.value

        begun = time.monotonic()
        with ThreadPoolExecutor(5) as threads:
            refusals = list(threads.map(one, range(5)))
        assert time.monotonic() - begun < 10
        assert {(error.status_code, error.body["code"]) for error in refusals} == {(503, "overloaded")}
        assert all(int(error.response.headers["retry-after-ms"]) >= 1000 for error in refusals)
        waited = [error.body for error in refusals if "waited_ms" in error.body]
        assert waited
        assert all(body["waited_ms"] >= 1000 and body["place"] in {1, 2} for body in waited)
        holder.close()
        rig.wait_for(lambda: not store.held())
    finally:
        gateway.stop()


def test_the_order_is_one_for_all_gateways(
    folder: Path, redis_url: str, gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    """One project has thirty requests at one gateway, another five at a second: the five end among the first half."""
    store.publish(rig.route(engine, limits=Limits(concurrency=1)))
    second = rig.Gateway(folder, redis_url, HEARTBEAT_MS="300", LEASE_MS="3000").ready()
    many, few = (store.grant(rig.principal()) for _ in range(2))
    holder, _ = open_stream(gateway, raw_request(many, HOLD, 900))
    ended: list[str] = []

    def one(at: rig.Gateway, token: str) -> None:
        ask(client_for(at, token), prompt="a #ttft=20", max_tokens=5)
        ended.append(token)

    try:
        with ThreadPoolExecutor(35) as threads:
            asked = [threads.submit(one, gateway, many) for _ in range(30)]
            wait_in_line(gateway, many, 30)
            asked += [threads.submit(one, second, few) for _ in range(5)]
            wait_in_line(second, few, 35)
            holder.close()
            for answer in asked:
                answer.result(30)
    finally:
        second.stop()
    assert ended[:12].count(few) == 5
    assert ended.count(many) == 30


def test_an_unknown_class_is_a_400_and_one_above_the_tokens_own_is_lowered(
    client: openai.OpenAI, store, gateway
) -> None:
    with pytest.raises(openai.BadRequestError, match="interactive, normal, batch"):
        client.completions.create(model=rig.MODEL, prompt="a", extra_headers={"Weighbridge-Class": "royal"})
    low = client_for(gateway, store.grant(rig.principal(top_class="batch")))
    raw = low.completions.with_raw_response.create(
        model=rig.MODEL, prompt="a", max_tokens=2, extra_headers={"Weighbridge-Class": "interactive"}
    )
    assert raw.headers["weighbridge-class"] == "batch"


@pytest.mark.parametrize("clients", [40, pytest.param(400, marks=pytest.mark.drill)])
def test_when_clients_leave_at_random_no_place_is_lost(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, clients: int
) -> None:
    store.publish(rig.route(engine, limits=Limits(concurrency=3)))
    token, chance = store.grant(rig.principal(Limits(tokens_per_day=10**7, concurrency=500))), random.Random(3)
    moods = [(chance.random() < 0.5, chance.uniform(0, 0.4)) for _ in range(clients)]

    def one(mood: tuple[bool, float]) -> int:
        leaves, after = mood
        with socket.create_connection(("127.0.0.1", gateway.port), 20) as connection:
            connection.settimeout(20)
            connection.sendall(raw_request(token, "a b #itl=5", 8))
            if leaves:
                time.sleep(after)
                return 0
            seen = b""
            while b"[DONE]" not in seen:
                part = connection.recv(65536)
                assert part, seen
                seen += part
            return 1

    with ThreadPoolExecutor(20) as threads:
        done = sum(threads.map(one, moods))
    assert done == sum(not leaves for leaves, _ in moods)
    rig.wait_for(lambda: not store.held())
    rig.wait_for(lambda: engine.truth()["open"] == 0)
    assert store.running() == 0
    truth = engine.truth()
    on_the_way = truth["generation"] - sum(event.completion_tokens for event in store.ledger())
    assert 0 <= on_the_way <= truth["aborted"], "what the engine said while its client left"
    assert [key for key in store.redis.scan_iter("wb:queue:*") if not key.endswith(":pace")] == []
