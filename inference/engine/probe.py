"""Questions to a running server and to the portal, over plain HTTP on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_ROLES = ("system", "user", "assistant")
_UNKNOWN_OVERHEAD = 64
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of itself. `context` in tokens; `template_overhead` in tokens per chat message, at most."""

    engine: str
    context: int
    chat: bool
    template_overhead: int
    generates: bool
    embeds: bool
    tokenizer_info: bool


def healthy(url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether /health answers 200; until a server is ready its port refuses connections."""
    try:
        with _opener.open(f"{url}/health", timeout=timeout_s) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def facts(url: str, model: str) -> Facts:
    """Ask the server for its version, its context, what its chat template costs and what it serves. Raises OSError."""
    version = _get(f"{url}/version")["version"]
    card = next(card for card in _get(f"{url}/v1/models")["data"] if card["id"] == model)
    overheads = [count for role in _ROLES if (count := _template_tokens(url, model, role)) is not None]
    paths = _get(f"{url}/openapi.json")["paths"]
    return Facts(
        engine=f"vllm {version}",
        context=int(card["max_model_len"]),
        chat=bool(overheads),
        template_overhead=max(overheads, default=_UNKNOWN_OVERHEAD),
        generates="/v1/completions" in paths,
        embeds="/v1/embeddings" in paths,
        tokenizer_info="/tokenizer_info" in paths,
    )


def published_commit(endpoint: str, model: str, token: str) -> str:
    """The commit that the model's main branch names at the portal now. Raises OSError when it cannot be had."""
    request = urllib.request.Request(f"{endpoint}/api/models/{model}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 http and https only, from the operator
    with _opener.open(request, timeout=30) as response:
        return str(json.load(response)["sha"])


def _template_tokens(url: str, model: str, role: str) -> int | None:
    """Tokens of a chat that holds one empty message of the role; None when the template refuses it."""
    body = json.dumps({"model": model, "messages": [{"role": role, "content": ""}]}).encode()
    request = urllib.request.Request(f"{url}/tokenize", data=body, headers={"Content-Type": "application/json"})  # noqa: S310 our own server
    try:
        with _opener.open(request, timeout=30) as response:
            return int(json.load(response)["count"])
    except urllib.error.HTTPError:
        return None


def _get(url: str) -> dict[str, Any]:
    with _opener.open(url, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
