"""The ready screen: where to click, what to paste, what does not work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from infra.embedded.engine import Engine, read_demo
from infra.embedded.home import ROOT, Home
from infra.embedded.stack import Choices

_RULE: Final = "─" * 78


def ready(home: Home, choices: Choices, engine: Engine, seconds: float) -> str:
    """The whole screen, as text."""
    parts = [_RULE, f"Weighbridge is ready: {choices.base_url}   ({seconds:.1f} s)", _RULE]
    if choices.mode == "demo":
        parts += _demo(read_demo(home), choices.base_url, engine)
    if engine.absent:
        parts += [
            "",
            f"Without an engine: {engine.absent}",
            "  Everything works but queries: /v1/completions and",
            "  /v1/chat/completions answer 503, and /v1/models lists nothing.",
        ]
    parts += ["", f"Logs: {home.logs}   Stop: Ctrl-C", _RULE]
    return "\n".join(parts)


def _demo(demo: dict[str, Any], base_url: str, engine: Engine) -> list[str]:
    lines = [
        "",
        "Click",
        f"  {base_url}/           the catalogue",
        f"  {base_url}/mailbox/   every mail that the demo sends",
    ]
    lines += ["", "Sign in as"]
    lines += [f"  {user['role']:<12} {user['email']:<36} {user['password']}" for user in demo.get("users", [])]
    lines += ["", "Paste", *_commands(demo, base_url, engine)]
    return lines


def _commands(demo: dict[str, Any], base_url: str, engine: Engine) -> list[str]:
    """Three commands that work as shown."""
    tokens, models = demo.get("tokens", {}), demo.get("models", [])
    gated = next((model["id"] for model in models if model["gated"]), "")
    opened = next((model["id"] for model in models if not model["gated"]), "")
    hub = f"HF_ENDPOINT={base_url} HF_TOKEN={tokens.get('download')}"
    lines = [f"  {hub} {_tool('hf')} download {gated} --local-dir {gated.split('/')[-1]}"]
    if not engine.served:
        bearer = f"-H 'Authorization: Bearer {tokens.get('download')}'"
        return [
            *lines,
            f"  curl -s {base_url}/api/models/{opened}",
            f"  curl -sL {bearer} {base_url}/{gated}/resolve/main/config.json",
        ]
    model = next(iter(engine.served))
    body = json.dumps({"model": model, "prompt": "def main():", "max_tokens": 48, "stream": True})
    bearer = f"-H 'Authorization: Bearer {tokens.get('query')}'"
    chat = json.dumps({"model": model, "messages": [{"role": "user", "content": "Write a loop."}], "max_tokens": 48})
    kind = "-H 'Content-Type: application/json'"
    return [
        *lines,
        f"  curl -N {bearer} {kind} -d '{body}' {base_url}/v1/completions",
        f"  curl -s {bearer} {kind} -d '{chat}' {base_url}/v1/chat/completions",
    ]


def _tool(name: str) -> str:
    """Where the tool is: in one of our environments, else wherever the reader has it."""
    for place in (".venv", ".venv-engine"):
        if (ROOT / place / "bin" / name).exists():
            return str(Path(place) / "bin" / name)
    return name
