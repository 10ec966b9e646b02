"""Which engine a request goes to: health as a table of events, choice under load, and real engines that fail."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openai
import pytest

from inference import contract
from inference.contract import Backend, Report, Route
from inference.gateway.boarding import beginning
from inference.gateway.health import ERRED, ILL, UNANSWERED, Health, Load, load_in
from inference.gateway.metrics import Metrics
from inference.gateway.pool import Pool
from inference.gateway.reports import Reports
from inference.gateway.request import parse
from inference.gateway.wire import Wire
from tests.inference.gateway import rig
from tests.inference.gateway.test_refusals import ask, client_for


@pytest.mark.parametrize(
    ("strikes", "ejected"),
    [([UNANSWERED], True), ([ERRED, ERRED], False), ([ERRED] * 3, True), ([ILL], False), ([ILL, ILL], True)],
)
def test_what_ejects(strikes: list[int], ejected: bool) -> None:
    health = Health()
    for strike in strikes:
        health.failed(0, strike)
    assert health.ejected is ejected


def test_an_answer_in_between_clears_it() -> None:
    health = Health()
    for strike in (ERRED, ERRED, None, ERRED, ERRED):
        if strike is None:
            health.answered()
        else:
            health.failed(0, strike)
    assert not health.ejected


def test_only_a_good_probe_ends_an_ejection_and_then_one_request_is_tried() -> None:
    health = Health()
    health.failed(10, UNANSWERED)
    assert health.probe_at == 11
    health.probed(11, well=False)
    assert (health.ejected, health.probe_at) == (True, 13)
    health.probed(13, well=True)
    assert (health.word, health.open) == ("on trial", True)
    health.outstanding = 5
    assert not health.open
    health.answered()
    assert (health.word, health.open) == ("well", True)


def test_a_relapse_on_trial_ejects_at_once_and_for_longer() -> None:
    health, now = Health(), 0.0
    for pause in (1, 2, 4, 8, 16, 30, 30):
        assert health.failed(now, ERRED if health.trial else UNANSWERED)
        assert health.probe_at == now + pause
        now = health.probe_at
        health.probed(now, well=True)


def test_the_load_is_read_from_the_engines_page() -> None:
    page = b"""# HELP vllm:num_requests_running x
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a"} 3.0
vllm:num_requests_running{engine="1",model_name="a"} 4.0
vllm:num_requests_waiting{engine="0",model_name="a"} 2.0
vllm:num_requests_waiting_by_reason{engine="0"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25"""
    assert load_in(page) == Load(7, 2, 0.25)
    assert load_in(b"") == load_in(b"\nvllm:num_requests_running{} broken\n") == Load()


# --- The choice ---------------------------------------------------------------------------------------------------


def pool_of(size: int) -> tuple[Pool, Route]:
    backends = tuple(Backend(f"b{number}", f"http://10.0.0.{number}:8000") for number in range(size))
    return Pool(None, None), replace(rig.route(), backends=backends)


def test_the_same_beginning_meets_the_same_server_and_a_lost_server_moves_only_its_own() -> None:
    pool, route = pool_of(4)
    keys = [random.Random(number).randbytes(16) for number in range(400)]
    before = {key: pool.choose(route, set(), key) for key in keys}
    assert before == {key: pool.choose(route, set(), key) for key in keys}
    assert all(70 <= number <= 130 for number in Counter(before.values()).values())
    gone = route.backends[0]
    pool.of(gone).failed(0, UNANSWERED)
    after = {key: pool.choose(route, set(), key) for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != gone)
    assert gone not in after.values()


def test_one_hot_prefix_never_crowds_its_server() -> None:
    """A thousand requests of one beginning, a tenth of them ending in between: no server is above 1.25 × the mean and
    what one request adds."""
    pool, route = pool_of(4)
    chance, taken, largest = random.Random(7), [], 900
    for _ in range(1000):
        tokens = chance.randint(50, largest)
        backend = pool.choose(route, set(), b"one prefix")
        pool.take(backend, tokens)
        taken.append((backend, tokens))
        if chance.random() < 0.1:
            pool.give(*taken.pop(chance.randrange(len(taken))))
        loads = [pool.of(one).tokens for one in route.backends]
        assert max(loads) <= 1.25 * sum(loads) / 4 + largest
    assert min(loads) > 0


def test_without_a_prefix_the_least_loaded_is_chosen_and_others_load_counts() -> None:
    pool, route = pool_of(3)
    for backend, (own, other) in zip(route.backends, [(10, 0), (0, 50), (5, 0)], strict=True):
        pool.of(backend).outstanding, pool.of(backend).elsewhere = own, other
    assert pool.choose(route, set()).name == "b2"


def test_the_last_server_is_never_ejected() -> None:
    pool, route = pool_of(2)
    for backend in route.backends:
        pool.of(backend).failed(0, UNANSWERED)
    assert pool.choose(route, set()) in route.backends
    assert pool.choose(route, {route.backends[0].url}) == route.backends[1]


def test_the_beginning_is_the_projects_and_the_conversations() -> None:
    def key(salt: str = "s", **body: object) -> bytes:
        chat = "messages" in body
        data = {"model": "a/b", **body}
        return beginning(parse("chat.completions" if chat else "completions", data, 10, body_limit=10**6), salt)

    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    more = [*talk, {"role": "assistant", "content": "So."}, {"role": "user", "content": "And?"}]
    assert key(messages=talk) == key(messages=more) != key(messages=more[1:])
    assert key(messages=talk) != key("other", messages=talk)
    assert key(prompt="a" * 5000) == key(prompt="a" * 5000 + "b") == key(prompt=["a" * 5000, "c"])
    assert key(prompt=[1, 2, 3]) == key(prompt=[[1, 2, 3], [4]]) != key(prompt=[1, 2, 4])


# --- Real engines -------------------------------------------------------------------------------------------------


@pytest.fixture
def second() -> Iterator[rig.Engine]:
    engine = rig.Engine()
    yield engine
    engine.stop()


def dead_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def prompt_for(engine: rig.Engine, other: rig.Engine) -> str:
    """A prompt whose place is with the first engine, as the gateway draws it."""
    pool, route = Pool(None, None), rig.route(engine, other)
    for number in range(100):
        data = {"model": rig.MODEL, "prompt": f"{number} hello there"}
        key = beginning(parse("completions", data, 10, body_limit=10**6), "5a17" * 8)
        if pool.choose(route, set(), key).url == engine.url:
            return data["prompt"]
    raise AssertionError("no such prompt")


def test_another_attempt_carries_the_same_id_and_its_number(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    both = rig.route(engine)
    dead = replace(both.backends[0], name="dead", url=dead_url())
    store.publish(replace(both, backends=(dead, *both.backends)))
    client = client_for(gateway, store.grant(rig.principal()))
    raw = [client.completions.with_raw_response.create(model=rig.MODEL, prompt=f"{n}", max_tokens=2) for n in range(6)]
    own = [one.headers["x-request-id"] for one in raw]
    seen = [head.partition("x-request-id: ")[2].partition("\r\n")[0] for head in engine.truth()["headers"]]
    assert [name.partition(".")[0] for name in seen] == own
    assert {name.partition(".")[2] for name in seen} <= {"", "2"}
    assert {event.request_id for event in store.ledger()} == set(own)


def test_a_silent_engine_is_left_for_another_before_the_first_byte(
    folder: Path, redis_url: str, portal: rig.Portal, store: rig.Store, engine: rig.Engine, second: rig.Engine
) -> None:
    """Streamed or not: the client sees one answer, the ledger one row, and the silent engine an abort."""
    store.publish(rig.route(engine, second))
    short = {"HEARTBEAT_MS": "200", "LEASE_MS": "3000", "FIRST_BYTE_SECONDS": "1"}
    gateway = rig.Gateway(folder, redis_url, **short).ready()
    try:
        client = client_for(gateway, store.grant(rig.principal()))
        prompt = prompt_for(second, engine)
        second.process.send_signal(signal.SIGSTOP)
        try:
            assert ask(client, prompt=prompt, max_tokens=3).usage.completion_tokens == 3
            chunks = list(ask(client, prompt=prompt, max_tokens=3, stream=True))
        finally:
            second.process.send_signal(signal.SIGCONT)
        assert len(chunks) == 3
        events = rig.wait_for(lambda: len(store.ledger()) == 2 and store.ledger())
        assert {(event.status, event.backend, event.completion_tokens) for event in events} == {("ok", "engine-0", 3)}
        assert store.held() == []
    finally:
        gateway.stop()


@pytest.fixture
def breaking() -> Iterator[str]:
    """The address of an engine that breaks off every answer in the middle of its body."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(
                b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"id": "cmpl'
            )

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_answer_that_breaks_off_before_its_client_saw_any_of_it_is_another_engines(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, breaking: str
) -> None:
    """Not streamed: one answer, billed once, by who gave it. Where no other engine is left the client is told."""
    one = rig.route(engine)
    broken = replace(one.backends[0], name="broken", url=breaking)
    store.publish(replace(one, backends=(broken, *one.backends)))
    client = client_for(gateway, store.grant(rig.principal()))
    for number in range(8):
        assert ask(client, prompt=f"{number}", max_tokens=3).usage.completion_tokens == 3
    rows = rig.wait_for(lambda: len(store.ledger()) == 8 and store.ledger())
    assert {(row.status, row.backend, row.completion_tokens) for row in rows} == {("ok", "engine-0", 3)}
    store.publish(replace(one, backends=(broken,)))
    with pytest.raises(openai.InternalServerError, match="broke off") as caught:
        ask(client, prompt="a")
    assert caught.value.status_code == 502
    assert store.held() == []


def test_an_ejected_engine_is_used_again_once_it_answers_health(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, second: rig.Engine
) -> None:
    store.publish(rig.route(engine, second))
    client, prompt = client_for(gateway, store.grant(rig.principal())), prompt_for(second, engine)
    assert served_by(client, store, prompt) == "engine-1"
    second.stop()
    assert served_by(client, store, prompt) == "engine-0"
    again = rig.Engine(port=second.port)
    try:
        rig.wait_for(lambda: served_by(client, store, prompt) == "engine-1", 12)
        assert again.truth()["finished"] >= 1
    finally:
        again.stop()


def served_by(client: openai.OpenAI, store: rig.Store, prompt: str) -> str:
    raw = client.completions.with_raw_response.create(model=rig.MODEL, prompt=prompt, max_tokens=2)
    return rig.wait_for(lambda: store.entry(raw.headers["x-request-id"])).backend


def test_a_client_error_is_held_against_no_engine(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, second: rig.Engine
) -> None:
    store.publish(rig.route(engine, second))
    client = client_for(gateway, store.grant(rig.principal()))
    before = len(gateway.log.read_text())
    for number in range(12):
        with pytest.raises(openai.BadRequestError):
            ask(client, prompt=f"{number} #status=400")
    assert "is ejected" not in gateway.log.read_text()[before:]
    # What gateways tell each other of their load is a heartbeat old: a server may look crowded for so long.
    for prompt, name in ((prompt_for(second, engine), "engine-1"), (prompt_for(engine, second), "engine-0")):
        rig.wait_for(lambda prompt=prompt, name=name: served_by(client, store, prompt) == name)


def test_each_project_meets_one_version_and_every_answer_names_it(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, second: rig.Engine
) -> None:
    """Half of the projects meet the canary: other servers, another revision, and a queue and a ledger of its own name."""
    canary = replace(rig.route(second), revision="b" * 40, pool="next", backends=(Backend("new", second.url),))
    store.publish(rig.route(engine, canary=canary, canary_percent=50))
    seen: dict[str, set[tuple[str, str]]] = {}
    for number in range(12):
        client = client_for(gateway, store.grant(replace(rig.principal(), project_id=f"project {number}")))
        for prompt in ("a", "b"):
            raw = client.completions.with_raw_response.create(model=rig.MODEL, prompt=prompt, max_tokens=2)
            row = rig.wait_for(lambda raw=raw: store.entry(raw.headers["x-request-id"]))
            assert raw.headers["weighbridge-model-revision"] == row.revision
            seen.setdefault(row.project_id, set()).add((row.pool, row.backend))
            assert (row.pool == "next") == contract.meets_canary(row.project_id, 1, 50)
    assert all(len(met) == 1 for met in seen.values())
    assert set.union(*seen.values()) == {("small", "engine-0"), ("next", "new")}


def test_gateways_tell_one_another_what_is_under_way(redis_url: str) -> None:
    """Two gateways, one server: what the one has there counts for the other, until it has not reported for long."""

    async def play() -> list[int]:
        wire = Wire(redis_url)
        pools = [pool_of(2) for _ in range(2)]
        for pool, route in pools:
            pool.routes = {route.model: route}
        (ours, route), (theirs, _) = pools
        here, there = Reports(wire, ours), Reports(wire, theirs)
        there.name = "elsewhere:1"
        theirs.take(route.backends[0], 700)
        seen = []
        for _ in range(2):
            await there.exchange()
            await here.exchange()
            seen.append(ours.of(route.backends[0]).elsewhere)
            theirs.give(route.backends[0], 700)
        await wire.call("HSET", contract.REPORTS, there.name, Report(1, {}).to_json())
        await here.exchange()
        seen.append(await wire.call("HEXISTS", contract.REPORTS, there.name))
        await wire.call("DEL", contract.REPORTS)
        wire.close()
        return seen

    assert asyncio.run(play()) == [700, 0, 0]


def test_the_metrics_name_every_server() -> None:
    pool, route = pool_of(1)
    pool.routes = {route.model: route}
    pool.take(route.backends[0], 40)
    pool.of(route.backends[0]).load = Load(3, 2, 0.5)
    metrics = Metrics()
    metrics.labelled = pool.gauges()
    for line in ("backend_outstanding_tokens", "backend_running", "backend_kv_cache"):
        assert f'weighbridge_gateway_{line}{{backend="b0"}} ' in metrics.text()
    assert 'weighbridge_gateway_backend_kv_cache{backend="b0"} 0.5\n' in metrics.text()


class _Kept:
    """A store that holds the routes and counts what is read of them."""

    def __init__(self, **routes: Route) -> None:
        self.routes = {route.model.encode(): route.to_json().encode() for route in routes.values()}
        self.read: list[str] = []

    async def call(self, command: str, _key: str, *names: str) -> list[bytes | None]:
        self.read.append(command)
        if command == "HMGET":
            return [self.routes.get(name.encode()) for name in names]
        return [part for pair in self.routes.items() for part in pair]


def test_who_is_refused_again_and_again_has_the_routes_read_once_and_a_route_that_changed_is_learnt() -> None:
    """Nothing is charged for a refusal, and each had all routes read: with a thousand, ten times the work of a query."""

    async def learnt() -> None:
        mine = Route(
            model=rig.MODEL, owner="lyceum", revision="a" * 40, pool="p", engine_model="m", context=8, backends=(),
            created=1, number=1,
        )  # fmt: skip
        spelt = "lyceum/SMALL"
        store = _Kept(mine=mine)
        pool = Pool(store, None)  # type: ignore[arg-type]
        await pool.refresh()
        for name in ("lyceum/none", rig.MODEL, spelt, "lyceum/none"):
            await pool.learn(name)
        assert store.read == ["HGETALL", *["HMGET"] * 4]
        fresh = replace(mine, model="lyceum/fresh")
        store.routes[b"lyceum/fresh"] = fresh.to_json().encode()
        await pool.learn("lyceum/fresh")
        assert pool.named("lyceum/fresh") == fresh
        store.routes[rig.MODEL.encode()] = replace(mine, context=16).to_json().encode()
        await pool.learn(spelt)
        assert pool.routes[rig.MODEL].context == 16, "in another spelling too"
        del store.routes[b"lyceum/fresh"]
        await pool.learn("lyceum/fresh")
        assert pool.named("lyceum/fresh") is None

    asyncio.run(learnt())
