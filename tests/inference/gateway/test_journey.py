"""The plain path with an unmodified openai client: answers, streams, metering."""

from __future__ import annotations

import openai
import pytest

from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL


def entry(store: rig.Store, request_id: str):
    return rig.wait_for(lambda: store.entry(request_id), 5)


def test_a_completion_is_answered_and_booked(client: openai.OpenAI, store: rig.Store, engine: rig.Engine) -> None:
    answer = client.completions.with_raw_response.create(model=MODEL, prompt="one two three", max_tokens=5)
    whole = answer.parse()
    assert whole.choices[0].text == " tok tok tok tok tok"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 5)
    assert answer.headers["weighbridge-model-revision"].startswith("c0ffee")
    assert answer.headers["weighbridge-engine"] == "vllm 0.32.0"
    assert answer.headers["weighbridge-fingerprint"] == "vllm-0.32.0-fake0001"
    event = entry(store, answer.headers["x-request-id"])
    assert (event.status, event.prompt_tokens, event.completion_tokens) == ("ok", 4, 5)
    assert event.reserved_tokens >= 9
    assert event.started_at <= event.first_byte_at <= event.ended_at
    assert event.fingerprint == "vllm-0.32.0-fake0001"
    assert (event.endpoint, event.stream, event.backend) == ("completions", False, "engine-0")
    assert store.held() == []
    seen = engine.truth()["bodies"][-1]
    assert seen == {"model": "fake", "prompt": "one two three", "max_tokens": 5, "cache_salt": "5a17" * 8}


def test_a_chat_stream_shows_no_usage_that_was_not_asked_for(client: openai.OpenAI, store: rig.Store) -> None:
    messages = [{"role": "user", "content": "one two #itl=2"}]
    stream = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=6, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == " tok" * 6
    assert all(chunk.usage is None for chunk in chunks)
    event = entry(store, stream.response.headers["x-request-id"])
    assert (event.status, event.prompt_tokens, event.completion_tokens) == ("ok", 6, 6)
    assert (event.endpoint, event.stream) == ("chat.completions", True)


@pytest.mark.parametrize("orders", ["", " #itl=2", " #per=4"])
def test_usage_that_was_asked_for_is_passed_on(client: openai.OpenAI, orders: str) -> None:
    stream = client.completions.create(
        model=MODEL, prompt="one two" + orders, max_tokens=7, stream=True, stream_options={"include_usage": True}
    )
    *body, last = list(stream)
    assert all(chunk.usage is None and chunk.choices for chunk in body)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (3, 7)


def test_continuous_usage_is_passed_on(client: openai.OpenAI) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    stream = client.completions.create(model=MODEL, prompt="a b", max_tokens=3, stream=True, stream_options=options)
    assert [chunk.usage.completion_tokens for chunk in stream] == [1, 2, 3, 3]


def test_several_choices_are_summed(client: openai.OpenAI, store: rig.Store) -> None:
    stream = client.completions.create(
        model=MODEL, prompt=[[1, 2, 3], [4, 5]], max_tokens=4, n=2, stream=True, extra_body={"temperature": 1}
    )
    assert sum(len(chunk.choices) for chunk in stream) == 16
    event = entry(store, stream.response.headers["x-request-id"])
    assert (event.prompt_tokens, event.completion_tokens) == (5, 16)


def test_models_are_listed_to_those_who_may_query_them(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    card = client.models.retrieve(MODEL)
    assert (card.id, card.owned_by) == (MODEL, "lyceum")
