"""Embeddings are metered by their prompts alone; and what a model cannot do is said, not tried."""

from __future__ import annotations

import openai
import pytest

from inference.contract import Limits
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_refusals import ask, client_for


@pytest.mark.parametrize(
    ("given", "tokens", "vectors"),
    [("one two", 3, 1), (["one", "two three"], 5, 2), ([7, 8, 9], 3, 1), ([[7, 8], [9]], 3, 2)],
)
def test_inputs_become_vectors_and_their_tokens_are_booked(
    client: openai.OpenAI, store: rig.Store, engine: rig.Engine, given: object, tokens: int, vectors: int
) -> None:
    raw = client.embeddings.with_raw_response.create(model=MODEL, input=given, encoding_format="float", dimensions=3)
    answer = raw.parse()
    assert len(answer.data) == vectors
    assert answer.data[0].embedding[:2] == [0.5, -0.25]
    assert answer.usage.prompt_tokens == tokens
    (event,) = store.ledger()
    assert (event.request_id, event.endpoint, event.status) == (raw.headers["x-request-id"], "embeddings", "ok")
    assert (event.prompt_tokens, event.completion_tokens) == (tokens, 0)
    assert event.reserved_tokens >= tokens
    sent = {"model": "fake", "input": given, "encoding_format": "float", "dimensions": 3, "cache_salt": "5a17" * 8}
    assert engine.truth()["bodies"][-1] == sent
    assert store.held() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("input", ""), ("input", []), ("input", [""]), ("input", ["a"] * 1025), ("input", {"a": 1}), ("input", [1, "a"]),
     ("dimensions", 0), ("encoding_format", "bytes"), ("max_tokens", 4), ("stream", True), ("priority", 1),
     ("prompt", "a"), ("truncate_prompt_tokens", 2), ("request_id", "x"), ("messages", [])],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(client: openai.OpenAI, engine: rig.Engine, field: str, value: object) -> None:
    body = {"model": MODEL, "input": "a", field: value}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/embeddings", body=body, cast_to=object)
    assert caught.value.body["param"] == field
    assert engine.truth()["bodies"] == []


def test_a_quota_holds_for_embeddings_and_counts_exactly(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_day=12))))
    client.embeddings.create(model=MODEL, input="longish words here")  # 4 tokens, by bytes perhaps 20
    client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4, 5, 6]])
    with pytest.raises(openai.RateLimitError) as caught:
        client.embeddings.create(model=MODEL, input=[1, 2, 3])
    assert "2 are left" in caught.value.body["message"]
    assert sum(event.prompt_tokens for event in store.ledger()) == 10


def test_an_input_over_the_context_and_an_engine_that_fails_cost_nothing(
    client: openai.OpenAI, store: rig.Store
) -> None:
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=MODEL, input="a #status=400")
    with pytest.raises(openai.InternalServerError):
        client.embeddings.create(model=MODEL, input="a #status=500")
    assert sum(event.prompt_tokens for event in store.ledger()) == 0
    assert store.held() == []


def test_a_model_that_makes_vectors_writes_no_text(client: openai.OpenAI, engine: rig.Engine, store: rig.Store) -> None:
    store.publish(rig.route(engine, generates=False))
    with pytest.raises(openai.BadRequestError, match="Use /v1/embeddings") as caught:
        ask(client)
    assert (caught.value.body["code"], caught.value.body["param"]) == ("not_supported_by_model", "model")
    with pytest.raises(openai.BadRequestError, match="writes no text"):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a"}])
    assert engine.truth()["bodies"] == []


def test_a_model_that_writes_text_makes_no_vectors(client: openai.OpenAI, engine: rig.Engine, store: rig.Store) -> None:
    store.publish(rig.route(engine, embeds=False))
    with pytest.raises(openai.BadRequestError, match="makes no embeddings") as caught:
        client.embeddings.create(model=MODEL, input="a")
    assert caught.value.body["code"] == "not_supported_by_model"
    assert (engine.truth()["bodies"], store.held()) == ([], [])


# --- Tokenizers -------------------------------------------------------------------------------------------------------
def test_a_tokenizer_is_told_of_without_the_engines_disk(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, client: openai.OpenAI
) -> None:
    for path in ("/tokenizer_info", f"/tokenizer_info?model={MODEL}"):
        with pytest.raises(openai.NotFoundError, match="tells nothing") as caught:
            client.get(gateway.base + path, cast_to=object)
        assert caught.value.body["code"] == "not_supported_by_model"
    store.publish(rig.route(engine, tokenizer_info=True))
    for path in ("/tokenizer_info", "/v1/tokenizer_info", f"/tokenizer_info?model={MODEL}"):
        told = client.get(gateway.base + path, cast_to=object)
        assert told == {"tokenizer_class": "GPT2Tokenizer", "eos_token": "</s>", "chat_template": "{{ messages }}"}
    stranger = client_for(gateway, store.grant(rig.principal(models={})))
    with pytest.raises(openai.PermissionDeniedError):
        stranger.get(f"{gateway.base}/tokenizer_info?model={MODEL}", cast_to=object)
    with pytest.raises(openai.APIStatusError) as refused:
        client.post(f"{gateway.base}/tokenizer_info", body={}, cast_to=object)
    assert refused.value.status_code == 405
    assert (store.held(), store.ledger()) == ([], [])


def test_a_tokenizer_is_asked_without_a_name_where_one_model_can_be_meant(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    """As lm-evaluation-harness asks. The one that tells about its tokenizer is meant at all three addresses."""
    second = "lyceum/second"
    access = rig.principal().models[MODEL]
    both = client_for(gateway, store.grant(rig.principal(models={MODEL: access, second: access})))
    one = client_for(gateway, store.grant(rig.principal()))
    store.publish(rig.route(engine), rig.route(engine, model=second, pool="second"))
    assert one.post(f"{gateway.base}/tokenize", body={"prompt": "a b c"}, cast_to=object)["count"] == 4
    for path, body in (("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})):
        with pytest.raises(openai.BadRequestError, match="2 models here") as caught:
            both.post(gateway.base + path, body=body, cast_to=object)
        assert (caught.value.param, caught.value.code) == ("model", "missing_model")
    store.publish(rig.route(engine), rig.route(engine, model=second, pool="second", tokenizer_info=True))
    for path, body in (("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})):
        assert both.post(gateway.base + path, body=body, cast_to=object)
    nobody = client_for(gateway, store.grant(rig.principal(models={})))
    with pytest.raises(openai.BadRequestError, match="no models here"):
        nobody.post(f"{gateway.base}/tokenize", body={"prompt": "a"}, cast_to=object)
    assert (store.held(), store.ledger()) == ([], [])
