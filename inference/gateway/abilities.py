"""What the engine of a model can be asked for. What it cannot is refused by name, never dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.contract import Route
from inference.gateway.errors import Refusal, bad_request

CODE = "not_supported_by_model"


def of(route: Route) -> dict[str, bool]:
    """The flags of a model's card."""
    writes = route.generates
    return {
        "completions": writes,
        "chat_completions": writes and route.chat,
        "embeddings": route.embeds,
        "logprobs": writes,
        "prompt_logprobs": writes,
        "structured_output": writes,
        "tools": writes and route.chat and route.tools,
        "tokenizer_info": route.tokenizer_info,
    }


def require(route: Route, endpoint: str) -> None:
    """Raise a 400 refusal where the model has no such endpoint."""
    if endpoint == "embeddings":
        if not route.embeds:
            raise _unable(route, "makes no embeddings", "GET /v1/models says what each model can do.")
    elif not route.generates:
        raise _unable(route, "writes no text", "Use /v1/embeddings.")
    elif endpoint == "chat.completions" and not route.chat:
        raise _unable(route, "has no chat template", "Use /v1/completions.")


def require_tools(route: Route, asked: Mapping[str, Any]) -> None:
    """Raise a 400 refusal where the model is to choose among tools by itself and its engine was not started for that.

    A tool that is named, or any that must be called, is structured output, which every engine has.
    """
    if asked.get("tools") and asked.get("tool_choice", "auto") == "auto" and not route.tools:
        text = f'{route.model} does not choose among tools by itself. Name one in tool_choice, or send "required" or "none".'
        raise bad_request(text, param="tools", code=CODE)


def require_tokenizer_info(route: Route) -> None:
    """Raise a 404 refusal where the engine tells nothing about its tokenizer."""
    if not route.tokenizer_info:
        text = f"The engine of {route.model} tells nothing about its tokenizer. The model's files do."
        raise Refusal(404, CODE, text, kind="not_found_error", param="model")


def _unable(route: Route, what: str, instead: str) -> Refusal:
    return bad_request(f"{route.model} {what}. {instead}", param="model", code=CODE)
