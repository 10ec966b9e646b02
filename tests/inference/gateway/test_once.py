"""A researcher whose connection breaks sends the query again under its idempotency key, and pays once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from inference.contract import Limits
from inference.gateway import once
from inference.gateway.errors import Refusal
from tests.inference.gateway import rig
from tests.inference.gateway.test_refusals import ask, client_for

KEY = {once.HEADER.decode(): "4f5a2c1e-retry"}


def keyed(client: openai.OpenAI, **changes: Any) -> Any:
    return ask(client, extra_headers=KEY, **changes)


def test_a_query_that_has_run_is_answered_with_its_receipt_and_not_tried_again(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    client = client_for(gateway, store.grant(rig.principal()), retries=5)
    first = client.completions.with_raw_response.create(
        model=rig.MODEL, prompt="a b c", max_tokens=5, extra_headers=KEY
    ).headers["x-request-id"]
    with pytest.raises(openai.ConflictError) as caught:
        keyed(client)
    assert caught.value.body["code"] == "idempotency_finished"
    assert caught.value.body["request_id"] == first
    assert caught.value.body["receipt"] == f"http://portal.test/api/v1/receipts/{first}"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert [event.request_id for event in store.ledger()] == [first]
    assert engine.truth()["finished"] == 1, "the client did not even try"
    assert ask(client).choices, "and without the key it is a new query"


def test_while_it_runs_one_is_told_to_wait_and_another_body_is_another_request(
    gateway: rig.Gateway, store: rig.Store
) -> None:
    client = client_for(gateway, store.grant(rig.principal()))
    running = keyed(client, prompt="a #itl=20", max_tokens=500, stream=True)
    next(iter(running))
    with pytest.raises(openai.ConflictError) as caught:
        keyed(client, prompt="a #itl=20", max_tokens=500, stream=True)
    assert caught.value.body["code"] == "idempotency_in_flight"
    assert int(caught.value.response.headers["retry-after-ms"]) > 0
    assert "x-should-retry" not in caught.value.response.headers
    with pytest.raises(openai.UnprocessableEntityError) as other:
        keyed(client, prompt="b")
    assert (other.value.body["code"], other.value.body["param"]) == ("idempotency_key_reused", "Idempotency-Key")
    running.close()


def test_the_same_key_of_another_project_is_another_key(gateway: rig.Gateway, store: rig.Store) -> None:
    for _ in range(2):
        assert keyed(client_for(gateway, store.grant(rig.principal()))).choices
    assert len(store.ledger()) == 2


@pytest.mark.parametrize("order", ["#status=400", "#status=503", "#status=500", "#die=0"])
def test_a_query_that_came_to_nothing_may_be_sent_again(gateway: rig.Gateway, store: rig.Store, order: str) -> None:
    client = client_for(gateway, store.grant(rig.principal()))
    for _ in range(2):
        with pytest.raises(openai.APIStatusError) as caught:
            keyed(client, prompt=f"a {order}", stream=order == "#die=0")
        assert caught.value.status_code != 409
    assert store.held() == []


def test_a_query_over_the_limit_may_be_sent_again(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_day=10))))
    for _ in range(2):
        with pytest.raises(openai.RateLimitError):
            keyed(client, max_tokens=200)
    assert keyed(client, max_tokens=2).choices


def test_of_many_at_once_one_runs(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    token = store.grant(rig.principal())

    def once_more(_: int) -> str:
        try:
            return keyed(client_for(gateway, token), prompt="a #ttft=150").object
        except openai.ConflictError as error:
            return error.body["code"]

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(once_more, range(12)))
    assert answers.count("text_completion") == 1
    assert set(answers) <= {"text_completion", "idempotency_in_flight", "idempotency_finished"}
    assert (engine.truth()["finished"], len(store.ledger())) == (1, 1)


@pytest.mark.parametrize("key", [b"", b'""', b"x" * 256, b"\xc3\xa9", b"a\x00b"])
def test_an_unusable_key_is_named(key: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        once.claim(key, "p", "/v1/completions", b"{}")
    assert (caught.value.status, caught.value.code) == (400, "idempotency_key_unusable")


def test_a_key_in_quotes_is_the_same_key(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal()))
    assert ask(client, extra_headers={"Idempotency-Key": "k"}).choices
    with pytest.raises(openai.ConflictError):
        ask(client, extra_headers={"Idempotency-Key": '"k"'})
    with pytest.raises(openai.BadRequestError, match="printable"):
        ask(client, extra_headers={"Idempotency-Key": "x" * 256})


def test_no_word_of_the_query_is_kept_with_the_key(gateway: rig.Gateway, store: rig.Store) -> None:
    keyed(client_for(gateway, store.grant(rig.principal())), prompt="canary-91ab")
    (record,) = store.redis.scan_iter("wb:once:*")
    kept = store.redis.hgetall(record)
    assert kept.keys() == {"asked", "request", "lease"}
    assert "canary" not in repr(kept)
    assert 0 < store.redis.pttl(record) <= once.KEPT_MS
