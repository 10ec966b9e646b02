"""The unmodified OpenAI client against the true control plane: real actions, real outbox, real introspection, real
gateway process. Only the engine is a fake here; tests/engine has the real one."""

from __future__ import annotations

import asyncio
import time

import openai
import pytest
import redis
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from inference import actions, contract
from inference.actions import Serving
from inference.contract import Limits
from inference.gateway.counters import counter_key, counter_of
from inference.models import UsageRecord
from inference.posting import Poster, ensure_group
from portal.access import actions as access
from portal.people import actions as people
from portal.people import erasure
from portal.people.erasure_models import ErasureRequest
from portal.projects import actions as projects
from portal.switches.models import Switch, flip
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions as releases
from tests.inference.bench import GATED, OPEN, Bench, build
from tests.inference.gateway import rig
from tests.portal import world


@pytest.fixture
def bench(transactional_db: None, store: redis.Redis, gateway: rig.Gateway, engine: rig.Engine) -> Bench:
    """Committed, so that every change goes through the outbox at once, as it does for a visitor."""
    made = build()
    for model in (made.open_model, made.gated_model):
        serving = Serving(engine.url, "vllm 0.32.0", "fake", 4096, True, 12)
        actions.serve(by=None, model=model, commit=model.revisions.get().commit, serving=serving)
    rig.settle_routes()
    return made


@pytest.fixture
def ask(gateway: rig.Gateway, bench: Bench):
    def complete(model: str = GATED, *, token: str = "", prompt: str = "def f(", **options):
        client = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=token or bench.secret, max_retries=0, timeout=20)
        return client.completions.create(model=model, prompt=prompt, **{"max_tokens": 4, **options})

    return complete


def test_a_granted_token_queries_and_lists_both_models(bench, gateway, ask):
    assert ask(OPEN).usage.completion_tokens == 4
    assert ask(GATED).usage.completion_tokens == 4
    client = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=bench.secret)
    assert {model.id for model in client.models.list()} == {OPEN, GATED}


def test_who_is_erased_queries_no_more_from_the_next_request_on_by_token_or_page(bench, ask, store):
    browser = Client()
    browser.force_login(bench.researcher)
    page = browser.post(
        f"/{GATED}/try/token", {"project": str(bench.project.pk)}, headers={"Accept": "application/json"}
    )
    secrets = (bench.secret, page.json()["token"])
    for secret in secrets:
        assert ask(GATED, token=secret).usage.completion_tokens == 4
    asked = ErasureRequest.objects.create(user=bench.researcher, requested_at=timezone.now(), due_at=timezone.now())
    assert erasure.erase(request=asked, now=timezone.now())
    for secret in secrets:
        with pytest.raises(openai.AuthenticationError):
            ask(GATED, token=secret)
    ensure_group(store)
    Poster(store, "test").step(block_ms=1)
    assert UsageRecord.objects.filter(user_id=str(bench.researcher.pk)).count() == 2, "what was billed stays"


def test_the_async_client_streams(bench, gateway):
    async def stream() -> list:
        client = openai.AsyncOpenAI(base_url=f"{gateway.base}/v1", api_key=bench.secret)
        async with client:
            answer = await client.chat.completions.create(
                model=GATED, messages=[{"role": "user", "content": "hello"}], max_tokens=5, stream=True,
                stream_options={"include_usage": True},
            )  # fmt: skip
            return [chunk async for chunk in answer]

    chunks = asyncio.run(stream())
    assert chunks[-1].usage.completion_tokens == 5
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_every_answer_is_one_row_of_the_ledger(bench, ask, store):
    for _ in range(3):
        ask(OPEN)
    ensure_group(store)
    assert Poster(store, "test").step(block_ms=1) == 3
    row = UsageRecord.objects.first()
    assert (row.user_id, row.project_id, row.token_id) == (
        str(bench.researcher.pk),
        str(bench.project.pk),
        str(bench.token.pk),
    )
    assert row.revision == bench.open_model.revisions.get().commit


def test_a_stranger_gets_the_way_to_apply(bench, ask):
    secret = tokens.issue(by=world.person("Ida Fremd"), kind=Kind.QUERY, label="x")[1]
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(GATED, token=secret)
    assert "/apply/lyceum-large/" in str(refused.value)
    assert ask(OPEN, token=secret).usage


@pytest.mark.parametrize("change", ["grant", "person", "project", "token", "stop", "switch"])
def test_every_change_of_rights_is_effective_on_the_next_request(bench, ask, change):
    ask(GATED)
    manager = bench.world.manager
    if change == "grant":
        access.revoke_grant(by=manager, grant=bench.grant, reason="The weights were passed on.")
    elif change == "person":
        people.suspend(user=bench.researcher, by=manager, reason="A test.")
    elif change == "project":
        projects.close(project=bench.project, by=manager, reason="The work is done.")
    elif change == "token":
        tokens.revoke(by=bench.researcher, token=bench.token)
    elif change == "stop":
        releases.stop_release(subject=bench.gated_model, by=None, reason="A test.")
    else:
        flip(switch=Switch.QUERY, on=False, reason="A test.", by=None)
    changed = time.monotonic()
    if change == "switch":
        rig.settle_routes()
    ended = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
    with pytest.raises(openai.InternalServerError if change == "switch" else ended):
        ask(GATED)
    assert time.monotonic() - changed < 1.5


def test_a_running_stream_is_cut_when_the_right_ends_and_billed_as_delivered(bench, ask, store):
    stream = ask(GATED, prompt="#itl=10 on and on", max_tokens=3000, stream=True)
    next(iter(stream))
    access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="The weights were passed on.")
    with pytest.raises(openai.APIError, match="has ended"):
        for _ in stream:
            pass
    ensure_group(store)
    rig.wait_for(lambda: Poster(store, "test").step(block_ms=1))
    row = UsageRecord.objects.get()
    assert row.status == "revoked"
    assert 0 < row.completion_tokens < 3000
    assert store.zcard(contract.LEASES) == 0


@pytest.mark.parametrize("name", [OPEN, GATED])
def test_a_stop_cuts_a_running_stream_and_says_why_to_the_next_request(bench, ask, name):
    stream = ask(name, prompt="#itl=10 on and on", max_tokens=3000, stream=True)
    next(iter(stream))
    other = ask(OPEN if name == GATED else GATED, prompt="#itl=10 on", max_tokens=150, stream=True)
    model = bench.open_model if name == OPEN else bench.gated_model
    stop = releases.stop_release(subject=model, by=None, reason="The tokenizer leaks.")
    with pytest.raises(openai.APIError, match="has ended"):
        for _ in stream:
            pass
    assert list(other), "a stream of another model goes on to its end"
    with pytest.raises(openai.PermissionDeniedError, match="The tokenizer leaks") as refused:
        ask(name)
    assert refused.value.body["reason"] == "stopped"
    releases.lift_stop(stop=stop, by=None)
    assert ask(name).usage


def test_over_the_limit_the_client_waits_as_told_and_then_succeeds(bench, gateway, ask):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(requests_per_minute=60, concurrency=4))
    refused = None
    for _ in range(30):
        try:
            ask(OPEN)
        except openai.RateLimitError as error:
            refused = error
            break
    assert refused is not None
    assert float(refused.response.headers["retry-after"]) > 0
    patient = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=bench.secret, max_retries=5)
    assert patient.completions.create(model=OPEN, prompt="x", max_tokens=1).usage


def test_a_spent_allowance_is_said_and_not_retried(bench, ask):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=40))
    ask(OPEN, max_tokens=20, extra_body={"ignore_eos": True})
    with pytest.raises(openai.RateLimitError) as refused:
        ask(OPEN, max_tokens=20)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_rebuilt_counters_are_those_that_the_gateway_had(bench, ask, store):
    """The oracle of rebuild_limits: what the gateway's scripts counted, against what the ledger says."""
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_day=5000, tokens_per_period=9000))
    for length in (3, 5, 8):
        ask(OPEN, max_tokens=length, extra_body={"ignore_eos": True})
    scope = ("project", str(bench.project.pk))
    counted = counter_of(store, *scope)
    assert counted.tokens_in_day > 0
    store.delete(counter_key(*scope))
    call_command("rebuild_limits")
    assert counter_of(store, *scope)[3:] == counted[3:], "all but what refills within a minute"
