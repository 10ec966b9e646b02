"""The scripts themselves, against a real Valkey with a clock that the test moves."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference import contract
from inference.contract import Access, Limits
from inference.gateway import limits
from inference.gateway.counters import Counter, counter_key
from inference.gateway.limits import Admitted, Claim, Lapsed, Limiter, Outcome, Pulse, Refused, Taken
from inference.gateway.rights import Identity, Right, burst_of, right_for
from inference.gateway.wire import Script, Wire
from tests.inference.gateway import rig

LARGEST = 100
NAMES = ("ADMIT", "ADMIT_ONCE", "SETTLE", "HEARTBEAT", "REAP", "ALIVE")
REAL_CLOCK = limits._COMMON[limits._COMMON.index("local function clock()") : limits._COMMON.index("-- Why the rights")]
TEST_CLOCK = "local function clock() return tonumber(redis.call('GET', 'test:now')) end\n"
number = itertools.count()


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Apart from the running gateway's, whose sweeper goes by the real clock."""
    return f"{os.environ['REDIS_URL'].partition('?')[0]}?db=8"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        script = getattr(limits, name)
        assert REAL_CLOCK in script.source
        monkeypatch.setattr(limits, name, Script(script.source.replace(REAL_CLOCK, TEST_CLOCK)))


class Bench:
    """A limiter on a virtual clock."""

    def __init__(self, redis_url: str) -> None:
        self.store = rig.Store(redis_url)
        self.store.clear()
        self.now = 1_790_000_000_000
        self.loop = asyncio.new_event_loop()
        self.wire = Wire(redis_url)
        self.limiter = Limiter(self.wire, lease_ms=10_000)
        self.pass_time(0)

    def pass_time(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.store.redis.set("test:now", self.now)

    def right(self, *, model: Limits | None = None, pool: Limits | None = None, **scopes: Limits) -> Right:
        access = Access(rig.FAR, "lyceum/small", 0, model or Limits())
        principal = rig.principal(models={rig.MODEL: access}, **{f"{name}_limits": of for name, of in scopes.items()})
        right = right_for(Identity("d" * 64, principal), rig.route(limits=pool or Limits()), largest=LARGEST)
        assert right
        return right

    def admit(
        self, right: Right, tokens: int, name: str = "", claim: Claim | None = None
    ) -> Admitted | Refused | Lapsed | Taken:
        name = name or f"r{next(number)}"
        self.last = name
        return self.loop.run_until_complete(self.limiter.admit(name, right, tokens=tokens, claim=claim))

    def settle(self, name: str, used: int, status: str = "ok") -> int | None:
        return self.loop.run_until_complete(self.limiter.settle(name, Outcome(status, used)))

    def beat(self, *pulses: Pulse) -> dict[str, str]:
        return self.loop.run_until_complete(self.limiter.beat(pulses))

    def reap(self) -> int:
        return self.loop.run_until_complete(self.limiter.reap())


@contextmanager
def opened(redis_url: str) -> Iterator[Bench]:
    bench = Bench(redis_url)
    yield bench
    bench.wire.close()
    bench.loop.run_until_complete(asyncio.sleep(0))
    bench.loop.close()


@pytest.fixture
def bench(redis_url: str) -> Iterator[Bench]:
    with opened(redis_url) as bench:
        yield bench


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_burst_and_refill_make_the_limit(limit: int, largest: int) -> None:
    burst = burst_of(limit, largest)
    assert 1 <= burst <= limit
    assert burst >= limit // 6
    assert burst == 1 or burst < limit


steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 250, 1_000, 6_000, 20_000]),
        st.integers(1, 130),
        st.floats(0, 1),
        st.integers(0, 5),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, requests=st.integers(1, 40), tokens=st.integers(1, 2_000))
def test_no_minute_sees_more_than_its_limit(
    redis_url: str, steps: list[tuple[int, int, float, int]], requests: int, tokens: int
) -> None:
    """Wherever the minute begins, and however long requests last and in whatever order they end; and a refusal tells a
    wait after which the same request passes."""
    with opened(redis_url) as bench:
        right = bench.right(user=Limits(requests_per_minute=requests), project=Limits(tokens_per_minute=tokens))
        admitted: list[tuple[int, int]] = []
        running: list[tuple[int, str, int]] = []
        for step, (pause, wanted, share, lasting) in enumerate(steps):
            bench.pass_time(pause)
            for end, name, used in running[:]:
                if end <= step:
                    bench.settle(name, used)
                    running.remove((end, name, used))
            before = bench.store.counters()
            answer = bench.admit(right, wanted)
            if isinstance(answer, Refused):
                assert bench.store.counters() == before, "a refusal consumes nothing"
                if answer.kind == "size":
                    assert wanted > burst_of(tokens, LARGEST)
                    continue
                bench.pass_time(answer.wait_ms)
                answer = bench.admit(right, wanted)
                assert isinstance(answer, Admitted), "the wait that was told is enough"
            used = round(wanted * share)
            running.append((step + lasting, bench.last, used))
            admitted.append((bench.now, used))
        for begin, _ in admitted:
            inside = [used for at, used in admitted if begin <= at <= begin + 60_000]
            assert len(inside) <= requests
            assert sum(inside) <= tokens


def emptied(bench: Bench, right: Right) -> int:
    """How many tokens the bucket gives now, one after the other."""
    return sum(isinstance(bench.admit(right, 1), Admitted) for _ in range(200))


def test_a_settlement_gives_back_what_was_not_used(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_minute=600))
    bench.admit(right, 100, "short")
    assert emptied(bench, right) == 0
    bench.settle("short", 40)
    assert emptied(bench, right) == 60


def test_what_drained_while_a_request_lasted_is_not_given_back_again(bench: Bench) -> None:
    """100 tokens drain in 12 s; the next request's are not the first one's to give back."""
    right = bench.right(project=Limits(tokens_per_minute=600))
    bench.admit(right, 100, "long")
    bench.pass_time(12_000)
    bench.admit(right, 100, "next")
    bench.settle("long", 0)
    assert emptied(bench, right) == 0
    bench.settle("next", 40)
    assert emptied(bench, right) == 60


def test_half_drained_gives_back_the_other_half(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_minute=600))
    bench.admit(right, 100, "long")
    bench.pass_time(6_000)
    bench.admit(right, 50, "next")
    bench.settle("long", 0)
    assert emptied(bench, right) == 50
    bench.settle("next", 0)
    assert emptied(bench, right) == 50


def test_all_scopes_or_none(bench: Bench) -> None:
    right = bench.right(
        token=Limits(requests_per_minute=60, concurrency=5),
        user=Limits(tokens_per_day=1000),
        project=Limits(tokens_per_minute=600),
        model=Limits(tokens_per_period=10_000, period="2026"),
        pool=Limits(concurrency=1),
    )
    assert isinstance(bench.admit(right, 50), Admitted)
    before = bench.store.counters()
    answer = bench.admit(right, 50)
    assert isinstance(answer, Refused)
    assert (answer.scope, answer.kind) == ("pool", "concurrency")
    assert bench.store.counters() == before
    bench.settle(bench.last, 1)


def test_what_the_scripts_keep_is_read_from_outside(bench: Bench) -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=600, concurrency=5, tokens_per_day=1000)
    right = bench.right(project=replace(limits, tokens_per_period=10_000, period="2026"))
    bench.admit(right, 60, "first")
    bench.admit(right, 30, "second")
    bench.settle("first", 10)
    counter = bench.store.counter("project", right.identity.principal.project_id)
    assert counter._asdict() == {
        "requests_at": pytest.approx(bench.now + 2 * 60_000 / 50),
        "tokens_at": pytest.approx(bench.now + 40 * 60_000 / 500),
        "returned": pytest.approx(50 * 60_000 / 500),
        "running": 1,
        "day": bench.now // 86_400_000,
        "tokens_in_day": 40,
        "tokens_in_period": 40,
        "period": "2026",
    }
    assert Counter.from_bytes(counter.to_bytes()) == counter


def test_a_counter_outlives_its_day_and_one_of_a_period_stays(bench: Bench) -> None:
    right = bench.right(user=Limits(tokens_per_day=1000), project=Limits(tokens_per_period=10_000, period="2026"))
    principal = right.identity.principal
    keys = counter_key("user", principal.user_id), counter_key("project", principal.project_id)
    for change in (lambda: bench.admit(right, 50, "first"), lambda: bench.settle("first", 10)):
        change()
        day, period = (bench.store.redis.pttl(key) for key in keys)
        assert 86_400_000 < day <= 172_800_000
        assert period == -1
        for key in keys:
            bench.store.redis.pexpire(key, 1000)


@pytest.mark.parametrize("kind", ["day", "period"])
def test_a_quota_is_exact_and_refunded(bench: Bench, kind: str) -> None:
    right = bench.right(project=Limits(**{f"tokens_per_{kind}": 100}, period="2026"))
    assert isinstance(bench.admit(right, 60), Admitted)
    first = bench.last
    answer = bench.admit(right, 41)
    assert isinstance(answer, Refused)
    assert (answer.scope, answer.kind, answer.room) == ("project", kind, 40)
    assert isinstance(bench.admit(right, 40), Admitted)
    bench.settle(first, 10)
    assert isinstance(bench.admit(right, 50), Admitted)
    assert isinstance(bench.admit(right, 1), Refused)


def in_periods(bench: Bench, *names: str) -> list[Right]:
    """One project's right with 100 tokens, as principals of these periods have it."""
    one = bench.right()
    limits = [Limits(tokens_per_period=100, period=name) for name in names]
    principals = [replace(one.identity.principal, project_limits=each) for each in limits]
    rights = [right_for(Identity("d" * 64, each), one.route, largest=LARGEST) for each in principals]
    return [right for right in rights if right]


def test_a_principal_of_last_month_counts_in_the_month_that_has_begun(bench: Bench) -> None:
    old, new = in_periods(bench, "2026-11", "2026-12")
    project = new.identity.principal.project_id
    bench.admit(old, 90, "november")
    bench.admit(new, 60, "december")
    assert isinstance(bench.admit(old, 30, "late"), Admitted)
    assert isinstance(bench.admit(new, 11), Refused), "what was used in this month is known, whoever asks"
    bench.settle("late", 20)
    bench.settle("november", 1)
    counter = bench.store.counter("project", project)
    assert (counter.period, counter.tokens_in_period) == ("2026-12", 80)


def test_an_allowance_that_begins_or_ends_within_a_month_is_a_count_of_its_own(bench: Bench) -> None:
    names = ("2026-11", "2026-11-14T00:00:00.000+00:00")
    month, own = in_periods(bench, *names)
    project = own.identity.principal.project_id
    for right, name in ((month, names[0]), (own, names[1]), (month, names[0])):
        assert isinstance(bench.admit(right, 100), Admitted)
        assert bench.store.counter("project", project).period == name


def test_a_new_day_is_a_new_quota_and_a_late_settlement_stays_in_the_old_one(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_day=100))
    bench.admit(right, 100, "old")
    answer = bench.admit(right, 1)
    assert isinstance(answer, Refused)
    bench.pass_time(answer.wait_ms)
    assert isinstance(bench.admit(right, 100), Admitted)
    bench.settle("old", 1)
    assert isinstance(bench.admit(right, 1), Refused), "the refund of yesterday is not today's"


def test_nothing_is_nothing(bench: Bench) -> None:
    for limit in (
        Limits(requests_per_minute=0),
        Limits(tokens_per_minute=0),
        Limits(concurrency=0),
        Limits(tokens_per_day=0),
        Limits(tokens_per_period=0, period="x"),
    ):
        assert isinstance(bench.admit(bench.right(token=limit), 1), Refused)
    assert isinstance(bench.admit(bench.right(), 10**9), Admitted), "and no limit is no limit"


def test_settling_twice_books_once(bench: Bench) -> None:
    right = bench.right(project=Limits(concurrency=2, tokens_per_day=100))
    bench.admit(right, 50, "one")
    assert bench.settle("one", 20) == -30
    assert bench.settle("one", 50) is None
    assert [event.prompt_tokens for event in bench.store.ledger()] == [20]
    assert bench.store.running() == 0
    assert bench.store.held() == []


def test_more_than_reserved_is_charged_and_told(bench: Bench) -> None:
    right = bench.right(project=Limits(tokens_per_day=100))
    bench.admit(right, 50, "one")
    assert bench.settle("one", 120) == 70
    answer = bench.admit(right, 1)
    assert isinstance(answer, Refused)
    assert answer.room == 0


def test_a_refused_request_leaves_no_entry(bench: Bench) -> None:
    bench.admit(bench.right(project=Limits(tokens_per_day=50)), 50, "one")
    bench.settle("one", 0, "refused")
    assert bench.store.ledger() == []
    assert bench.store.held() == []


def test_a_dead_gateways_lease_is_reaped_at_its_last_heartbeat(bench: Bench) -> None:
    right = bench.right(project=Limits(concurrency=1, tokens_per_day=100))
    bench.admit(right, 90, "one")
    bench.pass_time(5_000)
    assert bench.beat(Pulse("one", right, Outcome("", 10, 7, 0, bench.now, "engine-0"))) == {}
    bench.pass_time(9_999)
    assert bench.reap() == 0, "the heartbeat has renewed it"
    bench.pass_time(1)
    assert bench.reap() == 1
    assert bench.reap() == 0
    (event,) = bench.store.ledger()
    assert (event.status, event.prompt_tokens, event.completion_tokens, event.backend) == ("lost", 10, 7, "engine-0")
    assert bench.settle("one", 50) is None, "the late gateway books nothing more"
    assert isinstance(bench.admit(right, 83), Admitted)


@pytest.mark.parametrize("requests", [0, 1], ids=["a visit", "a query"])
def test_what_a_dead_gateway_asked_of_a_tokenizer_is_not_in_the_ledger(bench: Bench, requests: int) -> None:
    right = bench.right(project=Limits(concurrency=1))
    bench.loop.run_until_complete(bench.limiter.admit("one", right, tokens=0, requests=requests))
    bench.pass_time(10_000)
    assert bench.reap() == 1
    assert [event.status for event in bench.store.ledger()] == ["lost"] * requests
    assert bench.store.held() == []
    assert bench.store.running() == 0


def test_what_ran_out_while_the_store_was_away_is_spared_once(bench: Bench) -> None:
    """Its gateway lives and could not say so: it has an answer to settle, exactly. One that is dead is reaped later."""
    right = bench.right(project=Limits(tokens_per_day=100))
    bench.admit(right, 40, "alive")
    bench.admit(right, 40, "dead")
    assert bench.reap() == 0
    bench.pass_time(60_000)
    assert bench.reap() == 0, "nobody has looked for a minute"
    assert bench.settle("alive", 30) == -10
    bench.pass_time(4_999)
    assert bench.reap() == 0
    bench.pass_time(60_000)
    assert bench.reap() == 1, "not a second time"
    assert [(event.request_id, event.status) for event in bench.store.ledger()] == [("alive", "ok"), ("dead", "lost")]
    assert bench.store.held() == []


def test_a_synchronous_client_reaps_as_well(bench: Bench) -> None:
    bench.admit(bench.right(), 5, "one")
    bench.pass_time(10_000)
    assert limits.reap(bench.store.redis) == 1
    assert [event.status for event in bench.store.ledger()] == ["lost"]


def test_the_heartbeat_tells_whose_rights_ended(bench: Bench) -> None:
    right = bench.right()
    principal = right.identity.principal
    bench.admit(right, 5, "one")
    pulse = Pulse("one", right, Outcome(""))
    assert bench.beat(pulse) == {}
    bench.store.bump("gate", "lyceum/small", 1)
    assert bench.beat(pulse) == {"one": "stale"}
    bench.store.redis.delete(contract.generation_key("gate", "lyceum/small"))
    bench.store.redis.set(contract.tombstone_key("d" * 64), "1")
    assert bench.beat(pulse) == {"one": "revoked"}
    assert bench.beat(Pulse("unknown", right, Outcome(""))) == {"unknown": "settled"}
    assert principal.not_after == rig.FAR


@pytest.mark.parametrize("kind", ["user", "project", "gate"])
def test_an_older_generation_is_not_admitted(bench: Bench, kind: str) -> None:
    right = bench.right()
    principal = right.identity.principal
    identity = {"user": principal.user_id, "project": principal.project_id, "gate": "lyceum/small"}[kind]
    bench.store.bump(kind, identity, 1)
    assert bench.admit(right, 1) == Lapsed("stale")
    assert bench.store.held() == []


def test_the_stores_clock_ends_a_right(bench: Bench) -> None:
    right = bench.right()
    bench.pass_time(rig.FAR - bench.now - 1)
    assert isinstance(bench.admit(right, 1), Admitted)
    bench.pass_time(1)
    assert bench.admit(right, 1) == Lapsed("expired")


def test_a_principal_that_changed_is_looked_up_again(bench: Bench) -> None:
    right = bench.right()
    identity = Identity(right.identity.digest, right.identity.principal, proof="0" * 40)
    presumed = right_for(identity, right.route, largest=LARGEST)
    assert presumed
    assert bench.admit(presumed, 1) == Lapsed("changed")


# --- Idempotency keys -------------------------------------------------------------------------------------------------
CLAIM = Claim("wb:once:p:k", "a" * 64, 60_000)


def test_a_key_admits_one_request_and_a_refusal_takes_none(bench: Bench) -> None:
    right = bench.right(project=Limits(concurrency=1, tokens_per_day=100))
    refused = bench.admit(right, 101, claim=CLAIM)
    assert isinstance(refused, Refused)
    assert not bench.store.redis.exists(CLAIM.record), "all or nothing"
    assert isinstance(bench.admit(right, 50, "first", CLAIM), Admitted)
    before = bench.store.counters()
    assert bench.admit(right, 50, claim=CLAIM) == Taken("running", "first")
    assert bench.admit(right, 50, claim=CLAIM._replace(asked="b" * 64)) == Taken("other", "first")
    bench.settle("first", 20)
    assert bench.admit(right, 50, claim=CLAIM) == Taken("finished", "first")
    assert bench.store.counters() != before, "but for the settlement"
    assert bench.store.running() == 0
    assert len(bench.store.ledger()) == 1
    assert bench.store.redis.pttl(CLAIM.record) <= 60_000


@pytest.mark.parametrize("status", ["refused", "upstream_error", "client_abort"])
def test_what_was_charged_nothing_frees_its_key_and_what_was_charged_does_not(bench: Bench, status: str) -> None:
    right = bench.right()
    bench.admit(right, 5, "first", CLAIM)
    bench.settle("first", 0, status)
    assert isinstance(bench.admit(right, 5, "second", CLAIM), Admitted)
    bench.settle("second", 3, "upstream_error")
    assert bench.admit(right, 5, claim=CLAIM) == Taken("finished", "second")


def test_a_late_settlement_leaves_the_key_to_who_has_it_now(bench: Bench) -> None:
    right = bench.right()
    bench.admit(right, 5, "first", CLAIM)
    bench.store.redis.delete(CLAIM.record)  # it expired
    bench.admit(right, 5, "second", CLAIM)
    bench.settle("first", 0, "refused")
    assert bench.admit(right, 5, claim=CLAIM) == Taken("running", "second")


def test_a_dead_gateways_key_is_free_if_nothing_came_of_it(bench: Bench) -> None:
    right = bench.right()
    bench.admit(right, 5, "first", CLAIM)
    bench.pass_time(10_000)
    assert bench.reap() == 1
    assert isinstance(bench.admit(right, 5, "second", CLAIM), Admitted)
    bench.beat(Pulse("second", right, Outcome("", 5, 1)))
    bench.pass_time(9_000)
    assert bench.reap() == 0
    bench.pass_time(1_000)
    assert bench.reap() == 1
    assert bench.admit(right, 5, claim=CLAIM) == Taken("finished", "second"), "what was delivered was charged"


def test_an_ended_right_is_told_before_a_key(bench: Bench) -> None:
    right = bench.right()
    bench.admit(right, 5, "first", CLAIM)
    bench.store.redis.set(contract.tombstone_key("d" * 64), "1")
    assert bench.admit(right, 5, claim=CLAIM) == Lapsed("revoked")


def test_one_step_with_a_key_as_without(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Script] = []
    run = bench.wire.run

    def counted(script: Script, *arguments: Any) -> Any:
        ran.append(script)
        return run(script, *arguments)

    monkeypatch.setattr(bench.wire, "run", counted)
    bench.admit(bench.right(), 5)
    bench.admit(bench.right(), 5, claim=CLAIM)
    assert ran == [limits.ADMIT, limits.ADMIT_ONCE]
