"""`python -m inference.engine`: serve models with vLLM until told to stop.

Each event is one line of JSON on standard output (starting, ready, gone, failed, stopped). With --register they also
go to `manage.py pool`, which tells the gateway. The service token comes from ENGINE_TOKEN or the file that
ENGINE_TOKEN_FILE names, never from the command line, where everybody on the machine could read it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from inference.engine import probe
from inference.engine.command import Plan
from inference.engine.server import NotAnnounced, Server

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 when every server was stopped, 2 when nothing could be started."""
    options = _options(arguments)
    token = _token()
    options.home.mkdir(parents=True, exist_ok=True)
    with (options.home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _refuse(f"Another engine runs in {options.home}. Stop it, or give this one its own --home.")
        try:
            plans = [_plan(name, options, token) for name in options.models]
        except OSError as error:
            return _refuse(f"The portal at {options.endpoint} did not say which revision to serve: {error}")
        return _run(plans, token, options)


def _run(plans: list[Plan], token: str, options: argparse.Namespace) -> int:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    announce = _register if options.register else _print
    servers = [Server(plan, token, announce, options.memory_mb) for plan in plans]
    try:
        while not stopping.wait(0.25):
            for server in servers:
                server.tick(time.monotonic())
    finally:
        for server in servers:
            server.ask_to_end()
        for server in servers:
            server.stop()
    return 0


def _plan(name: str, options: argparse.Namespace, token: str) -> Plan:
    model, _, revision = name.partition("@")
    revision = revision or probe.published_commit(options.endpoint, model, token)
    return Plan(model, revision, options.endpoint, options.python, options.home.resolve(), options.kv_cache)


def _print(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _register(event: dict[str, Any]) -> None:
    """Tell the portal's database through its own command, then print: "ready" means that the gateway knows.

    Raises NotAnnounced when a ready server could not be registered; it is then tried again with the next probe.
    """
    if event["event"] in {"ready", "gone"}:
        command = [sys.executable, str(ROOT / "manage.py"), "pool", event["event"]]
        done = subprocess.run(command, input=json.dumps(event), text=True, capture_output=True, timeout=60, check=False)
        if done.returncode:
            _print({"event": "not_registered", "model": event["model"], "reason": done.stderr.strip()[-500:]})
            if event["event"] == "ready":
                raise NotAnnounced
    _print(event)


def _token() -> str:
    file = os.environ.get("ENGINE_TOKEN_FILE")
    return Path(file).read_text(encoding="ascii").strip() if file else os.environ.get("ENGINE_TOKEN", "")


def _refuse(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    home = Path(os.environ.get("WEIGHBRIDGE_HOME", ".weighbridge")) / "engine"
    parser = argparse.ArgumentParser(prog="python -m inference.engine", description="Serve models with vLLM.")
    parser.add_argument("--models", nargs="+", required=True, metavar="NAMESPACE/NAME[@COMMIT]")
    parser.add_argument("--endpoint", default=os.environ.get("BASE_URL", "http://127.0.0.1:8000"), help="the portal")
    parser.add_argument(
        "--python", type=Path, default=ROOT / ".venv-engine/bin/python", help="of the engine environment"
    )
    parser.add_argument("--home", type=Path, default=home, help="logs, process files and downloaded weights")
    parser.add_argument("--kv-cache", default="256M", help="memory for the key-value cache of each server")
    parser.add_argument("--memory-mb", type=int, default=6144, help="a server above this is restarted")
    parser.add_argument("--register", action="store_true", help="tell the portal through manage.py pool")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
