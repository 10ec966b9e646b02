"""No fill can bring back a right: the scripts alone, against every order of events that threads can produce."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import contract, principals
from inference.contract import Access, Limits, Principal
from portal.counters import client
from portal.errors import Unavailable

DIGEST = "d" * 64
GATE = "lyceum/large"


def principal(user: int = 0, project: int = 0, gate: int = 1) -> Principal:
    access = Access(not_after=2_000_000_000_000, gate=GATE, gate_generation=gate, limits=Limits())
    return Principal(
        token_id="t", user_id="u", project_id="p", not_after=2_000_000_000_000, user_generation=user,
        project_generation=project, cache_salt="s", models={"lyceum/x": access},
    )  # fmt: skip


def kept() -> Principal | None:
    text = client().get(contract.principal_key(DIGEST))
    return Principal.from_json(text) if text else None


def test_a_fill_is_kept_and_raises_the_known_generations(store):
    assert principals.fill(DIGEST, principal(3, 4, 5))
    assert kept() == principal(3, 4, 5)
    assert [
        store.get(contract.generation_key(*pair)) for pair in (("user", "u"), ("project", "p"), ("gate", GATE))
    ] == ["3", "4", "5"]


def test_an_older_generation_of_anything_is_refused(store):
    assert principals.fill(DIGEST, principal(3, 4, 5))
    for older in (principal(2, 4, 5), principal(3, 3, 5), principal(3, 4, 4)):
        assert not principals.fill(DIGEST, older)
    assert kept() == principal(3, 4, 5)


def test_a_bump_that_arrives_during_a_fill_wins(store):
    read_before_the_change = principal(user=7)
    principals.bump("user", "u", 8)
    assert not principals.fill(DIGEST, read_before_the_change)
    assert kept() is None


def test_bumps_never_lower(store):
    principals.bump("user", "u", 9)
    principals.bump("user", "u", 4)
    assert store.get(contract.generation_key("user", "u")) == "9"


def test_a_large_generation_is_compared_as_a_number(store):
    principals.bump("user", "u", 10)
    assert not principals.fill(DIGEST, principal(user=9))
    assert principals.fill(DIGEST, principal(user=100))


def test_a_buried_token_is_never_filled_again(store):
    principals.bury(DIGEST)
    assert not principals.fill(DIGEST, principal(99, 99, 99))
    assert 0 < store.pttl(contract.tombstone_key(DIGEST)) <= contract.TOMBSTONE_TTL_MS


def test_forgetting_leaves_generations_and_tombstones(store):
    principals.fill(DIGEST, principal(1, 1, 1))
    principals.bury("e" * 64)
    assert principals.forget_all() == 1
    assert kept() is None
    assert store.exists(contract.tombstone_key("e" * 64))
    assert store.get(contract.generation_key("user", "u")) == "1"


@pytest.fixture
def full(store):
    """As the limits store is where it runs: it evicts nothing."""
    before = store.config_get("maxmemory*")
    store.config_set("maxmemory", 1, "maxmemory-policy", "noeviction")
    yield store
    store.config_set("maxmemory", before["maxmemory"], "maxmemory-policy", before["maxmemory-policy"])


def test_a_full_store_takes_no_rights_in_and_lets_them_be_taken(store, full):
    with pytest.raises(Unavailable):
        principals.fill(DIGEST, principal())
    principals.bury(DIGEST)
    principals.bump("user", "u", 8)
    assert store.exists(contract.tombstone_key(DIGEST))
    assert store.get(contract.generation_key("user", "u")) == "8"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(["user", "project", "gate"])),
        st.tuples(st.just("deliver"), st.integers(0, 20)),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("fill"), st.integers(0, 20)),
        st.tuples(st.just("revoke"), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_the_order_a_delivered_change_is_never_undone(moves):
    """A model of PostgreSQL (generations), of the outbox (deliveries in any order, twice) and of slow fills."""
    store = client()
    store.flushdb()
    truth = {"user": 0, "project": 0, "gate": 1}
    names = {"user": "u", "project": "p", "gate": GATE}
    outbox: list[tuple[str, int]] = []
    delivered = dict(truth)
    read: list[Principal] = []
    buried = False
    for move, what in moves:
        if move == "change":
            truth[what] += 1
            outbox.append((what, truth[what]))
        elif move == "deliver" and outbox:
            kind, generation = outbox[what % len(outbox)]
            principals.bump(kind, names[kind], generation)
            delivered[kind] = max(delivered[kind], generation)
        elif move == "read":
            read.append(principal(**truth))
        elif move == "fill" and read:
            principals.fill(DIGEST, read[what % len(read)])
        elif move == "revoke":
            principals.bury(DIGEST)
            buried = True
        known = {kind: int(store.get(contract.generation_key(kind, names[kind])) or 0) for kind in names}
        assert all(known[kind] >= delivered[kind] or delivered[kind] <= 1 for kind in names)
        found = kept()
        if found is not None:
            assert not buried
            # What the gateway then compares: a principal is used only while no known generation is newer.
            usable = not any(known[k] > getattr(carried_by(found), k) for k in names)
            carried = carried_by(found)
            assert not usable or all(getattr(carried, kind) >= delivered[kind] for kind in names if known[kind])


class Carried:
    def __init__(self, user: int, project: int, gate: int) -> None:
        self.user, self.project, self.gate = user, project, gate


def carried_by(found: Principal) -> Carried:
    return Carried(found.user_generation, found.project_generation, found.models["lyceum/x"].gate_generation)


def test_racing_fills_and_bumps_leave_nothing_older_than_the_last_bump(store):
    """Threads, for real: forty fills of stale principals against twenty bumps."""
    barrier = threading.Barrier(8)

    def fill_stale() -> None:
        barrier.wait()
        for generation in range(20):
            principals.fill(DIGEST, principal(user=generation))

    def bump() -> None:
        barrier.wait()
        for generation in range(1, 21):
            principals.bump("user", "u", generation)

    threads = [threading.Thread(target=fill_stale) for _ in range(6)] + [
        threading.Thread(target=bump) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert store.get(contract.generation_key("user", "u")) == "20"
    found = kept()
    assert found is None or found.user_generation < 20  # stale, and the gateway sees that it is
    assert not principals.fill(DIGEST, replace(principal(), user_generation=19))
    assert principals.fill(DIGEST, principal(user=20))
