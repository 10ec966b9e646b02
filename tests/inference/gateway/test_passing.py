"""What a researcher asks for reaches the engine as it was asked, and the engine's bytes reach the researcher."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks.", "parameters": SCHEMA}}
CALLED = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}}
COMPLETIONS: list[dict[str, Any]] = [
    {"echo": True, "logprobs": 1, "max_tokens": 1, "seed": 1234, "prompt": [[1, 2, 3], [4, 5]]},
    {"echo": True, "logprobs": 0, "max_tokens": 0},
    {"prompt_logprobs": 5, "return_token_ids": True, "prompt": [9, 8, 7]},
    {"logprobs": 20, "return_tokens_as_token_ids": True, "logprob_token_ids": [5, 6], "n": 2, "temperature": 1.0},
    {"structured_outputs": {"choice": ["yes", "no"]}, "min_tokens": 1, "ignore_eos": True},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
    {"seed": -(2**63), "temperature": 0, "top_p": 0.1, "top_k": -1, "min_p": 0.05, "stop": ["\n\n"], "stop_token_ids": [2]},
    {"logit_bias": {"5": -100}, "bad_words": ["x"], "allowed_token_ids": [1, 2], "return_token_offsets": True},
    {"presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1.1, "add_special_tokens": False,
     "skip_special_tokens": False, "spaces_between_special_tokens": False, "include_stop_str_in_output": True},
]  # fmt: skip
CHATS: list[dict[str, Any]] = [
    {"logprobs": True, "top_logprobs": 20, "seed": 7, "prompt_logprobs": 1},
    {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look_up"}}},
    {"response_format": {"type": "json_object"}, "reasoning_effort": "low", "include_reasoning": False},
    {"structured_outputs": {"json": SCHEMA}, "add_generation_prompt": False, "continue_final_message": True},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [CALLED]},
                  {"role": "tool", "tool_call_id": "c1", "content": "1"}], "tools": [TOOL]},
]  # fmt: skip


def posted(url: str, body: dict[str, Any], token: str = "") -> bytes:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("path", "asked"),
    [*(("/v1/completions", {"prompt": "a b", "max_tokens": 2, **one}) for one in COMPLETIONS),
     *(("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2, **one}) for one in CHATS)],
)  # fmt: skip
def test_every_option_goes_through_and_the_answer_comes_back_byte_for_byte(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, path: str, asked: dict[str, Any]
) -> None:
    store.publish(rig.route(engine, tools=True))
    token = store.grant(rig.principal())
    through = posted(gateway.base + path, {"model": MODEL, **asked}, token)
    seen = engine.truth()["bodies"][-1]
    assert seen == {"model": "fake", **asked, "cache_salt": "5a17" * 8}
    assert through == posted(engine.url + path, seen), "not one byte of the answer is ours"
    (event,) = store.ledger()
    told = json.loads(through)["usage"]
    assert (event.prompt_tokens, event.completion_tokens) == (told["prompt_tokens"], told["completion_tokens"])


@pytest.mark.parametrize(
    "asked", [{"logprobs": 2}, {"n": 2, "temperature": 1}, {"prompt": [[1, 2], [3]], "echo": True}]
)
def test_a_stream_with_all_its_usage_is_the_engines_byte_for_byte(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, asked: dict[str, Any]
) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {"model": MODEL, "prompt": "a b", "max_tokens": 3, "stream": True, "stream_options": options, **asked}
    through = posted(f"{gateway.base}/v1/completions", body, store.grant(rig.principal()))
    assert through == posted(f"{engine.url}/v1/completions", engine.truth()["bodies"][-1])


def test_the_ledger_has_one_digest_for_the_same_parameters_whatever_the_prompt(
    gateway: rig.Gateway, store: rig.Store
) -> None:
    token, url = store.grant(rig.principal()), f"{gateway.base}/v1/completions"
    base = {"model": MODEL, "max_tokens": 1, "seed": 5}
    posted(url, base | {"prompt": "a"}, token)
    posted(url, {"seed": 5, "prompt": [1, 2], "max_tokens": 1, "model": MODEL, "user": "me", "stop": None}, token)
    posted(url, base | {"prompt": "a", "seed": 6}, token)
    first, second, third = (event.parameters for event in store.ledger())
    assert first == second != third
    assert len(first) == 64
