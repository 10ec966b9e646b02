"""From the bytes of a request to a Demand: checked field by field, rebuilt, with an upper bound of what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import orjson

from inference.contract import Route
from inference.gateway import fields, parameters
from inference.gateway.errors import Refusal, bad_request, body_too_large
from inference.gateway.fields import Check, Json

_SHAPES: Final = {
    "completions": (fields.COMPLETION, "prompt", fields.PROMPTS),
    "chat.completions": (fields.CHAT, "messages", 1),
    "embeddings": (fields.EMBEDDING, "input", fields.INPUTS),
}
"""Endpoint → its fields, the one that holds the content, and how many contents it may hold."""
_OTHERS: Final = {
    "prompt": "It goes to /v1/completions.",
    "messages": "They go to /v1/chat/completions.",
    "input": "It goes to /v1/embeddings.",
}
"""What of another endpoint is often sent to the wrong one → where it belongs."""
_LONGEST_NAME: Final = 32
"""Characters of an unknown field for which a known one of like spelling is sought."""
_SPECIAL: Final = 2
"""Tokens that a tokenizer may put around a plain prompt."""


@dataclass(slots=True)
class Demand:
    """A request that may go to an engine. `body` still lacks the engine's name of the model and the cache salt.

    `prompt_tokens` is an upper bound of the prompt (all prompts of a list together), exact when `exact`.
    """

    endpoint: str
    model: str
    body: dict[str, Any]
    stream: bool
    wants_usage: bool
    wants_continuous: bool
    choices: int
    prompts: int
    max_tokens: int | None
    weight: int
    parameters: str = ""
    """Digest of what was asked beside the prompt."""
    prompt_tokens: int = 0
    exact: bool = False

    @property
    def prompt(self) -> Json:
        """The content of all but chats: text, token ids, or a list of either."""
        return self.body["input" if self.endpoint == "embeddings" else "prompt"]

    @property
    def completion_tokens(self) -> int:
        """Upper bound of what may be generated; the engine bills one token where none was asked for. 0 without choices."""
        return max(self.max_tokens or 0, 1) * self.choices * self.prompts

    @property
    def tokens(self) -> int:
        """What to reserve."""
        return self.prompt_tokens * self.weight + self.completion_tokens


def decode(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; raises a 400 refusal."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The body is not valid JSON ({error.msg}).", code="invalid_json") from error
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.", code="invalid_json")
    return value


def model_of(data: dict[str, Any]) -> str:
    """The model's name, which every request must give."""
    name = data.get("model")
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise bad_request("Name the model: a string such as lab/name.", param="model", code="missing_model")
    return name


def parse(endpoint: str, data: dict[str, Any], raw_bytes: int, *, body_limit: int) -> Demand:
    """Check every field; raises a 400 refusal that names the first one that is wrong."""
    allowed, content, most = _SHAPES[endpoint]
    writes = content != "input"
    asked = {name: value for name, value in data.items() if value is not None}
    model = model_of(asked)
    _check(asked, allowed, {"model", content})
    _cross_check(asked)
    prompts = _messages(asked) if content == "messages" else _prompts(asked, content, most)
    if raw_bytes > body_limit and not _is_token_ids(asked[content]):
        raise body_too_large(body_limit)
    told = parameters.digest(asked)
    options = asked.pop("stream_options", {})
    asked.pop("user", None)
    stream = asked.get("stream", False)
    if stream:
        asked["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    return Demand(
        endpoint=endpoint,
        model=model,
        body=asked,
        stream=stream,
        wants_usage=options.get("include_usage", False),
        wants_continuous=options.get("include_usage", False) and options.get("continuous_usage_stats", False),
        choices=asked.get("n", 1) if writes else 0,
        prompts=prompts,
        max_tokens=asked.pop("max_completion_tokens", None) or asked.pop("max_tokens", None) if writes else 0,
        weight=2 if _measures_prompt(asked, chat=content == "messages") else 1,
        parameters=told,
    )


def _measures_prompt(asked: Mapping[str, Any], *, chat: bool) -> bool:
    """Whether the engine works out the chance of every token of the prompt: as much as writing them, for 0 alternatives too.

    vLLM does so for an echo with `logprobs`; for a chat's echo always, since there it reads `top_logprobs`, by itself 0.
    """
    return "prompt_logprobs" in asked or (asked.get("echo", False) and (chat or "logprobs" in asked))


def parse_tokenize(endpoint: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Model and body of a /tokenize or /detokenize request; no model where it names none."""
    asked = {name: value for name, value in data.items() if value is not None}
    model = model_of(asked) if "model" in asked else ""
    if endpoint == "detokenize":
        _check(asked, fields.DETOKENIZE, {"model"})
        if "tokens" not in asked:
            raise bad_request("Give the tokens: a list of token ids.", param="tokens")
        return model, asked
    _check(asked, fields.TOKENIZE, {"model", "prompt", "messages"})
    if "messages" in asked:
        _messages(asked)
    elif not isinstance(asked.get("prompt"), str):
        raise bad_request("prompt must be a string (or give messages).", param="prompt")
    return model, asked


def bound(demand: Demand, route: Route, *, default_max_tokens: int) -> bool:
    """Set the upper bounds for this route. False: the prompt must be tokenised first to know what is left for output.

    Prompt tokens are counted where they are token ids; else a byte makes at most one token, plus the template's own.
    """
    demand.exact, bounds = _prompt_bounds(demand, route)
    if demand.max_tokens is not None and demand.max_tokens > route.context:
        raise bad_request(
            f"max_tokens may be at most {route.context}, the context of {route.model}.", param="max_tokens"
        )
    if demand.max_tokens is None:
        room = route.context - max(bounds)
        if demand.exact and room <= 0:
            raise context_exceeded(route, max(bounds))
        if room < default_max_tokens and not demand.exact:
            return False
        demand.max_tokens = min(default_max_tokens, room)
    most = max(route.context - demand.max_tokens, 1)  # a longer prompt is refused by the engine
    demand.prompt_tokens = sum(min(tokens, most) for tokens in bounds)
    return True


def counted(demand: Demand, route: Route, tokens: list[int], *, default_max_tokens: int) -> None:
    """Take over exact counts, one per prompt."""
    longest = max(tokens)
    if longest >= route.context:
        raise context_exceeded(route, longest)
    demand.prompt_tokens, demand.exact = sum(tokens), True
    if demand.max_tokens is None:
        demand.max_tokens = min(default_max_tokens, route.context - longest)


def context_exceeded(route: Route, tokens: int) -> Refusal:
    """400 in OpenAI's words."""
    text = f"The context of {route.model} is {route.context} tokens. Your prompt has at least {tokens}. Shorten it."
    return bad_request(text, param="prompt", code="context_length_exceeded")


def forwarded(demand: Demand, route: Route, cache_salt: str) -> bytes:
    """The body for the engine: what was checked, our salt, an explicit max_tokens."""
    salt = {"cache_salt": cache_salt} if cache_salt else {}
    limit = {"max_tokens": demand.max_tokens} if demand.choices else {}
    return orjson.dumps({**demand.body, "model": route.engine_model, **limit, **salt})


def _check(asked: Mapping[str, Any], allowed: Mapping[str, Check], extra: set[str]) -> None:
    for name, value in asked.items():
        check = allowed.get(name)
        if check is None:
            if name in extra:
                continue
            shown = name[:64]
            text = f"Unknown or refused field: {shown}. {_instead(name, {*allowed, *extra})}"
            raise bad_request(text, param=shown, code="unknown_field")
        if wrong := check(value):
            raise bad_request(f"{name} {wrong}.", param=name)


def _instead(name: str, known: set[str]) -> str:
    """What to do about a field that is not on the list."""
    if name in _OTHERS:
        return _OTHERS[name]
    like = get_close_matches(name, sorted(known), n=1, cutoff=0.8) if len(name) <= _LONGEST_NAME else []
    return f"Do you mean {like[0]}?" if like else "Remove it."


def _cross_check(asked: Mapping[str, Any]) -> None:
    if "stream_options" in asked and not asked.get("stream"):
        raise bad_request("stream_options needs stream: true.", param="stream_options")
    if asked.get("max_tokens", 1) == 0 and not asked.get("echo"):
        raise bad_request("max_tokens may be 0 only with echo: true.", param="max_tokens")
    if (
        "max_completion_tokens" in asked
        and asked.get("max_tokens", asked["max_completion_tokens"]) != asked["max_completion_tokens"]
    ):
        raise bad_request("max_tokens and max_completion_tokens differ. Send one.", param="max_completion_tokens")
    if "prompt_logprobs" in asked and asked.get("stream"):
        raise bad_request("prompt_logprobs cannot be streamed.", param="prompt_logprobs")


def _messages(asked: Mapping[str, Any]) -> int:
    messages = asked.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= fields.MESSAGES:
        raise bad_request(f"messages must be a list of 1 to {fields.MESSAGES} messages.", param="messages")
    for position, message in enumerate(messages):
        if wrong := fields.message_fault(message):
            raise bad_request(f"messages[{position}]: {wrong}.", param=f"messages[{position}]")
    return 1


def _prompts(asked: Mapping[str, Any], name: str, most: int) -> int:
    """How many prompts there are: text, token ids, or a list of either."""
    prompt = asked.get(name)
    if isinstance(prompt, str) and prompt:
        return 1
    if isinstance(prompt, list) and prompt:
        if _all_ids(prompt):
            return 1
        if len(prompt) > most:
            raise bad_request(f"{name} may be a list of at most {most} items.", param=name)
        if all(isinstance(text, str) and text for text in prompt) or all(_all_ids(ids) for ids in prompt):
            return len(prompt)
    raise bad_request(f"{name} must be text, a list of token ids, or a list of either, and not empty.", param=name)


def _all_ids(value: Json) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and set(map(type, value)) == {int}
        and min(value) >= 0
        and max(value) < 2**31
    )


def _is_token_ids(prompt: Json) -> bool:
    return isinstance(prompt, list) and not isinstance(prompt[0], str)


def _prompt_bounds(demand: Demand, route: Route) -> tuple[bool, list[int]]:
    """Whether they are exact, and the bound of each prompt."""
    if demand.endpoint == "chat.completions":
        return False, [_chat_bound(demand.body, route)]
    prompt = demand.prompt
    if isinstance(prompt, str):
        return False, [_bytes(prompt) + _SPECIAL]
    if isinstance(prompt[0], str):
        return False, [_bytes(text) + _SPECIAL for text in prompt]
    if isinstance(prompt[0], list):
        return True, [len(ids) for ids in prompt]
    return True, [len(prompt)]


def _chat_bound(body: Mapping[str, Any], route: Route) -> int:
    messages = body["messages"]
    total = (len(messages) + 1) * route.template_overhead + _SPECIAL
    for message in messages:
        content = message.get("content")
        total += _bytes(content) if isinstance(content, str) else len(orjson.dumps(content))
        if len(message) > 2:
            total += len(orjson.dumps(message))
    if "tools" in body:
        total += 4 * len(orjson.dumps(body["tools"]))  # templates print schemas with indentation
    return total


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
