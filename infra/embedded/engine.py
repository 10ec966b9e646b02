"""The engine as the supervisor sees it: whether there is one, how it is started, when it is ready."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from infra.embedded.home import ROOT, Home
from infra.embedded.processes import Spec
from infra.embedded.stack import Choices

READY_S: Final = 300.0
"""How long the ready screen waits for the engine: 20 s on a quiet machine, two minutes on a loaded one."""


class Engine:
    """Knows from the engine's own log (one JSON event a line) which models it serves."""

    def __init__(self, home: Home, choices: Choices) -> None:
        self.home = home
        self.choices = choices
        self.absent = ""
        """Why there is none, as a sentence; empty when there is one."""
        self.served: dict[str, str] = {}
        """Model → engine name and version, of those that are ready."""

    @property
    def python(self) -> Path:
        """Interpreter of the engine environment."""
        return Path(os.environ.get("ENGINE_PYTHON") or ROOT / ".venv-engine" / "bin" / "python")

    def models(self) -> list[str]:
        """What to serve: ENGINE_MODELS, else the demo's gated model."""
        hosted = read_demo(self.home).get("models", [])
        return list(self.choices.engine_models) or [model["id"] for model in hosted if model["gated"]][:1]

    def spec(self, env: Mapping[str, str]) -> Spec | None:
        """How to run it, or None with `absent` set."""
        token = self.home.secret_file("ENGINE_TOKEN")
        self.absent = self._why_not(token)
        if self.absent:
            _tell_demo(self.home, None)
            return None
        argv = [
            sys.executable,
            "-m",
            "inference.engine",
            "--register",
            "--python",
            str(self.python),
            "--models",
            *self.models(),
        ]
        return Spec(
            name="engine",
            argv=argv,
            environment={**env, "ENGINE_TOKEN_FILE": str(token)},
            tier=3,
            needed=False,
            stop_s=25,
        )

    def _why_not(self, token: Path) -> str:
        if self.choices.engine == "none":
            if self.choices.mode == "serve":
                return "`make serve` starts one where ENGINE=vllm and ENGINE_MODELS are set; or name servers with `manage.py pool apply`."
            return "ENGINE=none was asked for."
        if "ENGINE_PYTHON" not in os.environ and not (ROOT / ".venv-engine" / ".stamp").exists():
            return "The engine environment is not installed; `make engine` says why."
        if not self.models():
            return "No model is named for it. Set ENGINE_MODELS to the models to serve, such as lab/name."
        if not token.exists():
            return f"It has no token to load weights with. Write a token that downloads, of somebody who may, into {token}."
        return ""

    def wait(self, stop: threading.Event, mend: Callable[[], None]) -> None:
        """Until every model is ready, or READY_S have passed: then the screen says so and the engine goes on trying."""
        log = self.home.logs / "engine.log"
        since = time.time()
        end = time.monotonic() + READY_S
        while not stop.wait(0.25) and time.monotonic() < end and set(self.served) != set(self.models()):
            mend()
            self.served = _served(log, since)
        if self.served:
            model, engine = next(iter(self.served.items()))
            name, _, version = engine.partition(" ")
            _tell_demo(self.home, {"name": name, "version": version, "model": model})
        else:
            self.absent = f"The engine was not ready after {READY_S:.0f} s; see {log}."
            _tell_demo(self.home, None)


def read_demo(home: Home) -> dict[str, Any]:
    """demo.json, or nothing."""
    try:
        found = json.loads(home.demo_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _tell_demo(home: Home, engine: dict[str, str] | None) -> None:
    """Write the engine into demo.json; the file is whole at every moment and never readable by others."""
    found = read_demo(home)
    if not found:
        return
    fresh = home.demo_file.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**found, "engine": engine}, file, indent=2)
        file.write("\n")
    fresh.replace(home.demo_file)


def _served(log: Path, since: float) -> dict[str, str]:
    if not log.exists() or log.stat().st_mtime < since:
        return {}
    served: dict[str, str] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        event = _event(line)
        if event.get("event") == "ready":
            served[event["model"]] = event["engine"]
        elif event.get("event") in {"gone", "failed", "starting"}:
            served.pop(event.get("model", ""), None)
    return served


def _event(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
