"""The fields that a request may carry, and the bounds of each. What is not here is refused by name.

The engine ignores what it does not know, so a mistyped option would change nothing and be believed; and each option it
does know has been somebody's way in. So the list is ours, and the body that goes on is built anew from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

Json = Any
"""Whatever a JSON text may hold."""
Check = Callable[[Json], str | None]
"""Takes a value, returns what is wrong with it, or None."""

STOP_STRINGS: Final = 4
STOP_CHARACTERS: Final = 64
LOGPROBS: Final = 20
CHOICES: Final = 4
BIASES: Final = 300
MESSAGES: Final = 256
PROMPTS: Final = 64
INPUTS: Final = 1024
_DIMENSIONS: Final = 65_536
SCHEMA_BYTES: Final = 16 * 1024
DEPTH: Final = 32
_INT64: Final = 2**63
_VOCABULARY: Final = 2**31


def integer(least: int, most: int) -> Check:
    """A whole number within bounds; a bool is none."""

    def check(value: Json) -> str | None:
        if type(value) is not int or not least <= value <= most:
            return f"must be a whole number from {least} to {most}"
        return None

    return check


def number(least: float, most: float) -> Check:
    """A number within bounds."""

    def check(value: Json) -> str | None:
        if type(value) not in {int, float} or not least <= value <= most:
            return f"must be a number from {least:g} to {most:g}"
        return None

    return check


def boolean(value: Json) -> str | None:
    """True or false."""
    return None if type(value) is bool else "must be true or false"


def string(most: int) -> Check:
    """Text of bounded length."""

    def check(value: Json) -> str | None:
        return (
            None if isinstance(value, str) and len(value) <= most else f"must be a string of at most {most} characters"
        )

    return check


def one_of(*options: str) -> Check:
    """One of these words."""

    def check(value: Json) -> str | None:
        return None if value in options and isinstance(value, str) else f"must be one of {', '.join(options)}"

    return check


def several(most: int, each: Check) -> Check:
    """A list of bounded length."""

    def check(value: Json) -> str | None:
        if not isinstance(value, list) or len(value) > most:
            return f"must be a list of at most {most} items"
        return next((f"item {i}: {wrong}" for i, item in enumerate(value) if (wrong := each(item))), None)

    return check


def document(value: Json) -> str | None:
    """A JSON object of bounded size and depth, without regular expressions."""
    if not isinstance(value, dict):
        return "must be an object"
    return document_bounds(value)


def document_bounds(value: Json) -> str | None:
    """Bounds of any nested JSON."""
    if _too_deep(value, DEPTH):
        return f"may be at most {DEPTH} levels deep"
    if len(orjson.dumps(value)) > SCHEMA_BYTES:
        return f"may have at most {SCHEMA_BYTES} bytes"
    if _has_key(value, {"pattern", "patternProperties", "regex", "grammar"}):
        return "may not hold a pattern, regex or grammar"
    return None


def _too_deep(value: Json, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_too_deep(item, left - 1) for item in items)


def _has_key(value: Json, names: set[str]) -> bool:
    if isinstance(value, dict):
        return not names.isdisjoint(value) or any(_has_key(item, names) for item in value.values())
    return isinstance(value, list) and any(_has_key(item, names) for item in value)


def _stop(value: Json) -> str | None:
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or len(strings) > STOP_STRINGS:
        return f"must be a string, or a list of at most {STOP_STRINGS} strings"
    fits = all(isinstance(text, str) and 0 < len(text) <= STOP_CHARACTERS for text in strings)
    return None if fits else f"each stop string must have 1 to {STOP_CHARACTERS} characters"


def _bias(value: Json) -> str | None:
    if not isinstance(value, dict) or len(value) > BIASES:
        return f"must be an object of at most {BIASES} token ids"
    fits = all(key.isdecimal() and len(key) < 10 and number(-100, 100)(bias) is None for key, bias in value.items())
    return None if fits else "must map token ids to numbers from -100 to 100"


def _stream_options(value: Json) -> str | None:
    if not isinstance(value, dict) or not value.keys() <= {"include_usage", "continuous_usage_stats"}:
        return "may hold include_usage and continuous_usage_stats"
    return None if all(type(flag) is bool for flag in value.values()) else "must hold true or false"


def _structured(value: Json) -> str | None:
    if not isinstance(value, dict) or not value.keys() <= {"choice", "json", "json_object"}:
        return "may hold one of choice, json, json_object"
    return document_bounds(value)


def _tool_choice(value: Json) -> str | None:
    return None if value in ("none", "auto", "required") else document(value)


def _user(value: Json) -> str | None:
    return string(256)(value)


_TOKEN_ID: Final = integer(0, _VOCABULARY)
_SAMPLING: Final[Mapping[str, Check]] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_k": integer(-1, _VOCABULARY),
    "min_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "repetition_penalty": number(0.01, 10),
    "seed": integer(-_INT64, _INT64 - 1),
    "n": integer(1, CHOICES),
    "stop": _stop,
    "stop_token_ids": several(64, _TOKEN_ID),
    "include_stop_str_in_output": boolean,
    "ignore_eos": boolean,
    "min_tokens": integer(0, _VOCABULARY),
    "skip_special_tokens": boolean,
    "spaces_between_special_tokens": boolean,
    "logit_bias": _bias,
    "allowed_token_ids": several(4096, _TOKEN_ID),
    "bad_words": several(64, string(STOP_CHARACTERS)),
    "prompt_logprobs": integer(0, LOGPROBS),
    "logprob_token_ids": several(128, _TOKEN_ID),
    "return_token_ids": boolean,
    "return_tokens_as_token_ids": boolean,
    "return_token_offsets": boolean,
    "add_special_tokens": boolean,
    "response_format": document,
    "structured_outputs": _structured,
    "stream": boolean,
    "stream_options": _stream_options,
    "user": _user,
}
COMPLETION: Final[Mapping[str, Check]] = {
    **_SAMPLING,
    "max_tokens": integer(0, _VOCABULARY),
    "logprobs": integer(0, LOGPROBS),
    "echo": boolean,
}
CHAT: Final[Mapping[str, Check]] = {
    **_SAMPLING,
    "max_tokens": integer(1, _VOCABULARY),
    "max_completion_tokens": integer(1, _VOCABULARY),
    "logprobs": boolean,
    "top_logprobs": integer(0, LOGPROBS),
    "echo": boolean,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
    "tools": several(64, document),
    "tool_choice": _tool_choice,
    "parallel_tool_calls": boolean,
    "reasoning_effort": one_of("none", "minimal", "low", "medium", "high"),
    "include_reasoning": boolean,
}
EMBEDDING: Final[Mapping[str, Check]] = {
    "encoding_format": one_of("float", "base64"),
    "dimensions": integer(1, _DIMENSIONS),
    "add_special_tokens": boolean,
    "user": _user,
}
TOKENIZE: Final[Mapping[str, Check]] = {
    "add_special_tokens": boolean,
    "return_token_strs": boolean,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
}
DETOKENIZE: Final[Mapping[str, Check]] = {"tokens": several(1_000_000, _TOKEN_ID)}

_MESSAGE: Final = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})


def message_fault(message: Json) -> str | None:
    """What is wrong with one chat message; media and unknown members are refused."""
    if not isinstance(message, dict) or not message.keys() <= _MESSAGE:
        return f"each message is an object that may hold {', '.join(sorted(_MESSAGE))}"
    if not isinstance(message.get("role"), str) or message["role"] not in _ROLES:
        return f"role must be one of {', '.join(sorted(_ROLES))}"
    if any(message.get(name) is not None and string(256)(message[name]) for name in ("name", "tool_call_id")):
        return "name and tool_call_id must be strings of at most 256 characters"
    if message.get("tool_calls") is not None and several(64, document)(message["tool_calls"]):
        return "tool_calls must be a list of at most 64 objects"
    return _content_fault(message.get("content"))


def _content_fault(content: Json) -> str | None:
    if content is None or isinstance(content, str):
        return None
    fits = isinstance(content, list) and all(_is_text_part(part) for part in content)
    return None if fits else "content must be text, or a list of {type: text, text: …} parts"


def _is_text_part(part: Json) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )
