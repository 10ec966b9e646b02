"""Who has the engine work out the chance of each prompt token is counted the prompt twice, 0 alternatives included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_passing import posted

IDS = list(range(100))
CHAT = [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        ({}, 1),
        ({"echo": True}, 1),
        ({"echo": False, "logprobs": 0}, 1),
        ({"logprobs": 0}, 1),
        ({"logprobs": 5}, 1),
        ({"echo": True, "logprobs": None}, 1),
        ({"echo": True, "logprobs": 5}, 2),
        ({"echo": True, "logprobs": 0}, 2),
        ({"prompt_logprobs": 5}, 2),
        ({"prompt_logprobs": 0}, 2),
        ({"prompt_logprobs": None}, 1),
    ],
)
def test_a_completion_reserves_its_prompt_once_more_where_it_is_measured(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, asked: dict[str, Any], times: int
) -> None:
    token = store.grant(rig.principal())
    posted(gateway.base + "/v1/completions", {"model": MODEL, "prompt": IDS, "max_tokens": 7, **asked}, token)
    (event,) = store.ledger()
    assert event.reserved_tokens == 100 * times + 7


@pytest.mark.parametrize(
    "more", [{}, {"logprobs": False}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 0}, {"top_logprobs": 2}]
)
def test_a_chat_that_is_echoed_is_always_measured(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, more: dict[str, Any]
) -> None:
    reserved = []
    for echo in (False, True):
        token = store.grant(rig.principal())
        body = {"model": MODEL, "messages": CHAT, "max_tokens": 7, "echo": echo, **more}
        posted(gateway.base + "/v1/chat/completions", body, token)
        reserved.append(store.ledger()[-1].reserved_tokens - 7)
    assert reserved[1] == 2 * reserved[0] > 0
