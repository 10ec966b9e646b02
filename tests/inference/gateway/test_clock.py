"""The store's clock is set back, or forward: what was used stays used, nobody waits longer than the window, nothing is below zero."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from inference.contract import Limits
from inference.gateway import limits
from inference.gateway.limits import Admitted, Limiter, Outcome, Pulse, Refused
from inference.gateway.wire import Script
from tests.inference.gateway.test_limits import REAL_CLOCK, TEST_CLOCK, Bench, emptied, in_periods, opened
from tests.inference.gateway.test_queue import Pool

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
SCRIPTS = ("ADMIT", "SETTLE", "HEARTBEAT", "REAP", "TURN", "LOOK")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Apart from the running gateway's, whose sweeper goes by the real clock."""
    return f"{os.environ['REDIS_URL'].partition('?')[0]}?db=8"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SCRIPTS:
        monkeypatch.setattr(limits, name, Script(getattr(limits, name).source.replace(REAL_CLOCK, TEST_CLOCK)))


@pytest.fixture
def bench(redis_url: str) -> Iterator[Bench]:
    with opened(redis_url) as bench:
        bench.now = bench.now // DAY * DAY + 10 * MINUTE
        bench.pass_time(0)
        yield bench


@pytest.fixture
def pool(redis_url: str) -> Iterator[Pool]:
    bench = Pool(redis_url)
    yield bench
    bench.wire.close()
    bench.loop.close()


@pytest.mark.parametrize("back", [MINUTE, HOUR, 30 * DAY])
def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer_than_their_minute(bench: Bench, back: int) -> None:
    right = bench.right(user=Limits(requests_per_minute=60), project=Limits(tokens_per_minute=600))
    while isinstance(bench.admit(right, 5), Admitted):
        pass
    bench.pass_time(-back)
    refused = bench.admit(right, 5)
    assert isinstance(refused, Refused), "what was used is not given again either"
    assert refused.wait_ms <= MINUTE
    bench.pass_time(refused.wait_ms)
    assert isinstance(bench.admit(right, 5), Admitted)


def test_a_clock_that_is_set_back_fills_no_bucket_though_requests_end_after_it(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_minute=600))
    bench.admit(right, 60, "one")
    bench.admit(right, 40, "two")
    bench.pass_time(-HOUR)
    assert emptied(bench, right) == 0
    bench.settle("one", 50)
    assert emptied(bench, right) <= 10
    bench.settle("two", 40)
    assert emptied(bench, right) == 0


@pytest.mark.parametrize("back", [20 * MINUTE, DAY])
def test_midnight_that_comes_twice_gives_one_days_quota_once(bench: Bench, back: int) -> None:
    right = bench.right(project=Limits(tokens_per_day=100))
    assert isinstance(bench.admit(right, 100), Admitted)
    bench.pass_time(-back)
    refused = bench.admit(right, 1)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.room) == ("day", 0)
    bench.pass_time(back)
    assert isinstance(bench.admit(right, 1), Refused)
    bench.pass_time(DAY)
    assert isinstance(bench.admit(right, 100), Admitted)


def test_a_request_that_ends_on_the_other_side_of_midnight_twice_is_given_back_once(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_day=100))
    bench.admit(right, 60, "after")
    bench.pass_time(-20 * MINUTE)
    bench.admit(right, 30, "before")
    assert bench.settle("after", 50) == -10
    assert bench.settle("before", 10) == -20
    counter = bench.store.counter("project", right.identity.principal.project_id)
    assert counter.tokens_in_day == 60


@pytest.mark.parametrize("years", [3, -3])
def test_a_clock_that_was_years_wrong_shuts_nobody_out_and_no_count_falls_below_zero(bench: Bench, years: int) -> None:
    right = bench.right(project=Limits(tokens_per_day=100))
    bench.admit(right, 100, "old")
    bench.pass_time(years * 365 * DAY)
    assert isinstance(bench.admit(right, 100, "wrong"), Admitted)
    bench.pass_time(-years * 365 * DAY)
    assert isinstance(bench.admit(right, 5, "now"), Admitted)
    for name in ("old", "wrong"):
        bench.settle(name, 0)
    counter = bench.store.counter("project", right.identity.principal.project_id)
    assert counter.tokens_in_day >= 0
    refused = bench.admit(right, 101)
    assert isinstance(refused, Refused)
    assert refused.wait_ms <= DAY


def test_a_month_that_begins_twice_is_one_and_one_that_is_years_ahead_shuts_nobody_out(bench: Bench) -> None:
    now, after, wrong = in_periods(bench, "2026-12", "2027-01", "2029-03")
    assert isinstance(bench.admit(after, 100, "january"), Admitted)
    assert isinstance(bench.admit(now, 1), Refused), "the month before is over: the clock was set back over its end"
    assert isinstance(bench.admit(wrong, 100, "wrong"), Admitted)
    assert isinstance(bench.admit(now, 60), Admitted)
    for name in ("january", "wrong"):
        bench.settle(name, 0)
    counter = bench.store.counter("project", now.identity.principal.project_id)
    assert (counter.period, counter.tokens_in_period) == ("2026-12", 60)


def test_no_settlement_brings_a_period_below_zero_that_began_again(bench: Bench) -> None:
    now, wrong = in_periods(bench, "2026-12", "2029-03")
    bench.admit(now, 100, "old")
    bench.admit(wrong, 10, "wrong")
    bench.admit(now, 5, "new")
    bench.settle("old", 0)
    assert bench.store.counter("project", now.identity.principal.project_id).tokens_in_period >= 0
    refused = bench.admit(now, 101)
    assert isinstance(refused, Refused)
    assert refused.room <= 100


def test_a_dead_gateways_place_is_free_within_seconds_though_the_clock_was_set_back(bench: Bench) -> None:
    right = bench.right(project=Limits(concurrency=2))
    bench.admit(right, 5, "dead")
    bench.admit(right, 5, "alive")
    assert bench.reap() == 0
    bench.pass_time(-HOUR)
    assert bench.reap() == 0
    bench.pass_time(4 * SECOND)
    assert bench.beat(Pulse("alive", right, Outcome(""))) == {}
    assert bench.reap() == 0
    bench.pass_time(4 * SECOND)
    assert bench.reap() == 1
    assert bench.beat(Pulse("alive", right, Outcome(""))) == {}, "who is there keeps their place"
    assert isinstance(bench.admit(right, 5), Admitted)


def test_a_request_never_ends_before_it_began(bench: Bench) -> None:
    bench.admit(bench.right(), 5, "one")
    bench.pass_time(-HOUR)
    bench.settle("one", 3)
    (event,) = bench.store.ledger()
    assert event.ended_at == event.started_at


def test_who_waits_is_told_no_negative_time(pool: Pool) -> None:
    pool.prepare(1)
    right = pool.project("one")
    for _ in range(4):
        pool.come(right)
    pool.finish()
    pool.turn()
    pool.pass_time(-HOUR)
    pool.finish()
    pool.turn()
    gap, _places = pool.loop.run_until_complete(pool.limiter.turn(pool.route, []))
    assert gap >= 0
    standing = pool.loop.run_until_complete(pool.limiter.look(pool.route, "one"))
    assert standing.gap >= 0
    assert [waited for _name, _rank, _place, waited in standing.own] == [0]


@pytest.mark.parametrize("asks", ["the one that waits", "another gateway"])
def test_a_clock_that_jumps_ahead_lets_nobody_past_the_places_of_a_pool(pool: Pool, asks: str) -> None:
    pool.prepare(1)
    pool.limiter = Limiter(pool.wire, lease_ms=10 * SECOND)
    right = pool.project("one")
    pool.come(right)
    assert pool.come(right).waits
    waiting = pool.last
    pool.pass_time(MINUTE)
    if asks == "another gateway":
        pool.settle("r00001", 10)
        pool.loop.run_until_complete(pool.limiter.turn(pool.route, []))
        assert pool.place(waiting) == -1, "its lease had run out: it is told that it lost its place, and not to go"
        assert pool.store.running() == 0
        pool.pass_time(10 * SECOND)
        pool.reap()
        pool.pass_time(10 * SECOND)
        pool.reap()
        assert pool.store.held() == []
    else:
        assert pool.place(waiting) == 1
        pool.settle("r00001", 10)
        assert pool.place(waiting) == 0, "it has asked, so it lives"
        assert pool.loop.run_until_complete(pool.limiter.look(pool.route, "one")).running == 1
