"""What the gateway refuses, as an unmodified openai client sees it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import openai
import pytest

from inference.contract import Access, Introspection, Limits, Reason
from inference.gateway.auth import secret
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL


def client_for(gateway: rig.Gateway, token: str, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=token, max_retries=retries, timeout=20)


def ask(client: openai.OpenAI, **changes: Any) -> Any:
    return client.completions.create(**{"model": MODEL, "prompt": "a b c", "max_tokens": 5, **changes})


TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
GOOD = secret("q", "k" * 32)
CUT = GOOD[:-1]
TYPO = GOOD[:10] + ("x" if GOOD[10] != "x" else "y") + GOOD[11:]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("hf_abcdefabcdefabcdefabcdef", "invalid_token"),
        (CUT, "invalid_token"),
        (TYPO, "invalid_token"),
        (GOOD + "0" * 2000, "invalid_token"),
        (secret("dl", "k" * 32), "wrong_kind"),
        (GOOD, "invalid_token"),
    ],
)
def test_a_bad_token_is_401(gateway: rig.Gateway, portal: rig.Portal, token: str, code: str) -> None:
    portal.asked.clear()
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client_for(gateway, token))
    assert caught.value.body["code"] == code
    assert caught.value.request_id.startswith("req-")
    assert portal.asked == ([rig.digest_of(GOOD)] if token == GOOD else []), "the checksum is proved before any I/O"


def test_no_token_is_401(gateway: rig.Gateway) -> None:
    with pytest.raises(openai.AuthenticationError, match="Authorization"):
        client_for(gateway, "x").models.list(extra_headers={"Authorization": openai.Omit()})


@pytest.mark.parametrize("header", [GOOD, f"Basic {GOOD}", f"Token {GOOD}", f"wb_q {GOOD}"])
def test_who_leaves_out_the_word_bearer_is_told_of_it(gateway: rig.Gateway, header: str) -> None:
    with pytest.raises(openai.AuthenticationError, match="lacks the word Bearer"):
        client_for(gateway, "x").models.list(extra_headers={"Authorization": header})


def test_what_the_control_plane_says_reaches_the_client(gateway: rig.Gateway, portal: rig.Portal) -> None:
    token = secret("q", "e" * 32)
    portal.answers[rig.digest_of(token)] = Introspection(active=False, code="token_expired", message="It ended in May.")
    with pytest.raises(openai.AuthenticationError, match=r"It ended in May\."):
        ask(client_for(gateway, token))


def test_a_miss_is_asked_once_and_answered(gateway: rig.Gateway, portal: rig.Portal) -> None:
    token = secret("q", "m" * 32)
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=rig.principal())
    assert ask(client_for(gateway, token)).choices[0].text


def test_a_model_that_is_not_granted_is_403_with_the_way_to_apply(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client_for(gateway, store.grant(rig.principal(models={}))))
    assert caught.value.body["code"] == "model_not_granted"
    assert caught.value.body["apply_url"] == "http://portal.test/apply/small/"
    assert engine.truth()["bodies"] == []


def test_a_new_agreement_is_403_with_its_code_and_the_address_to_sign_at(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    why = Reason("agreement_changed", "The agreement has a new version.", "http://portal.test/grants/1/sign/")
    with pytest.raises(openai.PermissionDeniedError, match="new version") as caught:
        ask(client_for(gateway, store.grant(rig.principal(models={}, refused={MODEL: why}))))
    assert (caught.value.body["code"], caught.value.body["reason"]) == ("model_not_granted", "agreement_changed")
    assert caught.value.body["url"] == "http://portal.test/grants/1/sign/"
    assert engine.truth()["bodies"] == []


def test_while_the_operator_has_queries_closed_a_client_is_told_to_come_back(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    why = Reason("switched_off", "The operator has paused every query here. Try again later.")
    with pytest.raises(openai.InternalServerError, match="paused every query") as caught:
        ask(client_for(gateway, store.grant(rig.principal(models={}, refused={MODEL: why}))))
    assert (caught.value.status_code, caught.value.body["code"]) == (503, "paused")
    assert caught.value.response.headers["retry-after"] == "30"
    assert engine.truth()["bodies"] == []


def test_a_grace_that_ends_while_the_principal_is_kept_is_explained_at_once(
    gateway: rig.Gateway, store: rig.Store, portal: rig.Portal
) -> None:
    token = store.grant(rig.principal(models={MODEL: Access(1)}))
    why = Reason("agreement_changed", "The agreement has a new version.", "http://portal.test/grants/1/sign/")
    renewed = rig.principal(models={}, refused={MODEL: why})
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=renewed)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client_for(gateway, token))
    assert caught.value.body["reason"] == "agreement_changed"


def test_who_signs_is_let_in_at_the_next_request(gateway: rig.Gateway, store: rig.Store, portal: rig.Portal) -> None:
    old = rig.principal(models={}, refused={MODEL: Reason("agreement_changed", "Sign.")})
    token = store.grant(old)
    with pytest.raises(openai.PermissionDeniedError):
        ask(client_for(gateway, token))
    signed = rig.principal(user_id=old.user_id, user_generation=old.user_generation + 1)
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=signed)
    store.bump("user", old.user_id, signed.user_generation)
    assert ask(client_for(gateway, token)).choices


def test_a_right_that_ended_and_is_not_renewed_is_403(
    gateway: rig.Gateway, store: rig.Store, portal: rig.Portal
) -> None:
    ended = rig.principal(models={MODEL: Access(1)})
    token = store.grant(ended)
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=ended)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client_for(gateway, token))
    assert caught.value.body["code"] == "model_not_granted"


def test_an_unknown_model_is_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="lyceum/other")
    assert (caught.value.body["code"], caught.value.body["param"]) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("lyceum/other")


def test_a_model_without_an_engine_is_503(gateway: rig.Gateway, store: rig.Store) -> None:
    held = {"lyceum/idle": Access(rig.FAR)}
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client_for(gateway, store.grant(rig.principal(models=held))), model="lyceum/idle")
    assert (caught.value.status_code, caught.value.body["code"]) == (503, "model_not_loaded")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperatur", 1), ("best_of", 2), ("suffix", "x"), ("priority", 1), ("cache_salt", "mine"), ("request_id", "x"),
        ("prompt_embeds", "AAAA"), ("kv_transfer_params", {}), ("n", 5), ("n", True), ("temperature", "hot"),
        ("temperature", 3), ("max_tokens", -1), ("max_tokens", 0), ("max_tokens", 5000), ("logprobs", 21),
        ("stop", ["a"] * 5), ("stop", ""), ("stop", ["x" * 65]), ("logit_bias", {"a": 1}), ("logit_bias", {"1": 500}),
        ("stream", "yes"), ("stream_options", {"include_usage": True}), ("prompt", ""), ("prompt", []),
        ("prompt", [1, "a"]), ("prompt", ["a"] * 65), ("prompt", [[1], "a"]), ("prompt", {"a": 1}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {"pattern": "(a+)+$"}}}),
        ("structured_outputs", {"regex": "(a+)+$"}), ("seed", 1.5), ("allowed_token_ids", [-1]),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(client: openai.OpenAI, engine: rig.Engine, field: str, value: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, extra_body={field: value})
    assert caught.value.body["param"] == field
    assert field in str(caught.value)
    assert engine.truth()["bodies"] == []


@pytest.mark.parametrize(
    "message",
    [
        {"role": "owner", "content": "x"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]},
        {"role": "user", "content": 7},
        {"role": "user", "content": "x", "extra": 1},
        "hello",
    ],
)
def test_a_message_that_is_wrong_is_named(client: openai.OpenAI, message: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a"}, message])
    assert caught.value.body["param"] == "messages[1]"


@pytest.mark.parametrize(
    "field", ["chat_template", "chat_template_kwargs", "mm_processor_kwargs", "documents", "max_tokenz"]
)
def test_chat_refuses_what_it_does_not_know(client: openai.OpenAI, field: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "a"}], extra_body={field: {"a": 1}}
        )
    assert caught.value.body["code"] == "unknown_field"


@pytest.mark.parametrize(
    ("field", "value", "way"),
    [
        ("messages", [{"role": "user", "content": "a"}], "They go to /v1/chat/completions."),
        ("input", "a", "It goes to /v1/embeddings."),
        ("max_token", 3, "Do you mean max_tokens?"),
        ("temperatur", 1, "Do you mean temperature?"),
        ("suffix", "x", "Remove it."),
        ("max_tokens" * 9, 3, "Remove it."),
    ],
)
def test_who_sends_an_unknown_field_is_told_what_to_do(client: openai.OpenAI, field: str, value: Any, way: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, extra_body={field: value})
    assert caught.value.body["code"] == "unknown_field"
    assert caught.value.body["message"].endswith(f". {way}")


def test_a_chat_with_a_prompt_is_sent_to_where_prompts_go(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"It goes to /v1/completions\."):
        client.chat.completions.create(model=MODEL, messages=[], extra_body={"prompt": "a"})


@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}])
def test_a_model_that_cannot_choose_tools_says_so_before_its_engine_does(
    client: openai.OpenAI, engine: rig.Engine, store: rig.Store, choice: dict[str, Any]
) -> None:
    chat = {"model": MODEL, "messages": [{"role": "user", "content": "a"}], "tools": [TOOL], "max_tokens": 2}
    with pytest.raises(openai.BadRequestError, match="does not choose among tools by itself") as caught:
        client.chat.completions.create(**chat, **choice)
    assert (caught.value.body["code"], caught.value.body["param"]) == ("not_supported_by_model", "tools")
    assert (engine.truth()["bodies"], store.held()) == ([], [])
    for named in ("none", "required", {"type": "function", "function": {"name": "look_up"}}):
        client.chat.completions.create(**chat, tool_choice=named)
    store.publish(rig.route(engine, tools=True))
    client.chat.completions.create(**chat, **choice)


def test_the_engines_own_400_is_passed_on_and_costs_nothing(client: openai.OpenAI, store: rig.Store) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, prompt="#status=400")
    assert (caught.value.body["param"], caught.value.body["type"]) == ("prompt", "invalid_request_error")
    assert store.ledger() == []
    assert store.held() == []


def test_a_prompt_over_the_context_is_told_in_openais_words(client: openai.OpenAI, store: rig.Store) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, prompt="word " * 5000)
    assert caught.value.body["code"] == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, prompt="word " * 5000, max_tokens=None)
    assert caught.value.body["code"] == "context_length_exceeded"
    assert store.held() == []


def test_without_max_tokens_what_is_left_of_the_context_is_used(client: openai.OpenAI) -> None:
    answer = ask(client, prompt="word " * 4000, max_tokens=None)
    assert answer.usage.completion_tokens == 4096 - 4001
    assert ask(client, max_tokens=None).usage.completion_tokens == 512


def test_requests_over_the_limit_are_429_and_the_client_waits(gateway: rig.Gateway, store: rig.Store) -> None:
    token = store.grant(rig.principal(Limits(requests_per_minute=120)))
    hasty = client_for(gateway, token)
    raw = [hasty.completions.with_raw_response.create(model=MODEL, prompt="a", max_tokens=1) for _ in range(20)]
    assert raw[0].headers["x-ratelimit-limit-requests"] == "120"
    assert int(raw[0].headers["x-ratelimit-remaining-requests"]) >= 18
    with pytest.raises(openai.RateLimitError) as caught:
        any(ask(hasty) is None for _ in range(5))
    headers = caught.value.response.headers
    assert (caught.value.body["code"], caught.value.body["type"]) == ("rate_limit_exceeded", "requests")
    assert 0 < int(headers["retry-after-ms"]) <= 600
    assert headers["retry-after"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    patient = client_for(gateway, token, retries=3)
    assert ask(patient).choices, "an unmodified client waits as it is told and is served"


def test_tokens_over_the_limit_are_429(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_minute=1200))))
    assert ask(client, prompt="a", max_tokens=500).usage.completion_tokens == 500
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, prompt="a", max_tokens=500)
    assert caught.value.body["type"] == "tokens"
    assert caught.value.response.headers["x-ratelimit-limit-tokens"] == "1200"


def test_what_could_never_pass_is_400_and_not_429(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_minute=100))), retries=2)
    begun = time.monotonic()
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, max_tokens=2000)
    assert caught.value.body["code"] == "request_too_large_for_limit"
    assert time.monotonic() - begun < 2


def test_a_spent_quota_is_not_tried_again(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_day=50))), retries=5)
    ask(client, prompt="a", max_tokens=40)
    begun = time.monotonic()
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, prompt="a", max_tokens=40)
    assert caught.value.body["code"] == "insufficient_quota"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.body["resets_in_ms"] <= 86_400_000
    assert "8 are left" in caught.value.body["message"]
    assert time.monotonic() - begun < 1


def test_a_full_pool_is_503_for_a_caller_within_limits(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    store.publish(rig.route(engine, limits=Limits(concurrency=0)))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client_for(gateway, store.grant(rig.principal())))
    assert (caught.value.status_code, caught.value.body["code"]) == (503, "overloaded")
    assert "retry-after" in caught.value.response.headers


def test_a_long_prompt_is_counted_before_it_is_refused(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    """By bytes it might be 2,000 tokens; it is 202, and the quota has room for that."""
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_day=300))))
    answer = ask(client, prompt="longwords " * 201, max_tokens=10)
    assert answer.usage.prompt_tokens == 202
    (event,) = store.ledger()
    assert event.reserved_tokens == 212


def test_a_client_that_waits_for_each_answer_never_meets_itself(gateway: rig.Gateway, store: rig.Store) -> None:
    client = client_for(gateway, store.grant(rig.principal(Limits(concurrency=1))))
    for number in range(40):
        if number % 2:
            ask(client)
        else:
            list(ask(client, stream=True))


def test_tokenize_and_detokenize(gateway: rig.Gateway, store: rig.Store, client: openai.OpenAI) -> None:
    for prefix in (gateway.base, f"{gateway.base}/v1"):
        answer = client.post(f"{prefix}/tokenize", body={"model": MODEL, "prompt": "a b c"}, cast_to=object)
        assert answer["count"] == 4
        answer = client.post(f"{prefix}/detokenize", body={"model": MODEL, "tokens": [1, 2]}, cast_to=object)
        assert answer["prompt"] == "w1 w2"
    stranger = client_for(gateway, store.grant(rig.principal(models={})))
    with pytest.raises(openai.PermissionDeniedError):
        stranger.post(f"{gateway.base}/tokenize", body={"model": MODEL, "prompt": "a"}, cast_to=object)
    assert store.held() == []
    assert store.ledger() == []


@pytest.mark.parametrize("path", ["/v1/rerank", "/v1/load_lora_adapter", "/v1/", "/v1/completions/x", "/metrics"])
def test_other_paths_are_json_404(gateway: rig.Gateway, client: openai.OpenAI, path: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.post(gateway.base + path, body={"model": MODEL}, cast_to=object)
    assert caught.value.body["code"] == "unknown_endpoint"


def test_a_chat_needs_a_template(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    store.publish(replace(rig.route(engine), chat=False))
    with pytest.raises(openai.BadRequestError, match="chat template"):
        client_for(gateway, store.grant(rig.principal())).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "a"}]
        )
