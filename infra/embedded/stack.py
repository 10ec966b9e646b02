"""What runs: every process of the embedded stack, with its environment. The same processes run in docker-compose.yml."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from infra.embedded import database, valkey
from infra.embedded.home import ROOT, SECRETS, Home
from infra.embedded.problems import Problem
from infra.embedded.processes import Spec

CONVERTER_PYTHON: Final = ROOT / ".venv-engine" / "bin" / "python"
"""Where `make engine` puts torch; without it nothing is converted."""
_QUIET: Final = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
_TWO: Final = ("threads", "--concurrency", "2")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator may choose."""

    mode: str
    host: str
    port: int
    engine: str
    base_url: str
    engine_models: tuple[str, ...] = ()
    """What the engine serves; empty: the demo's gated model."""

    @classmethod
    def from_environment(cls, mode: str, environment: Mapping[str, str]) -> Choices:
        """HOST, PORT, ENGINE, ENGINE_MODELS and BASE_URL, with their defaults. Raises Problem for a port that is none."""
        host, port = environment.get("HOST") or "127.0.0.1", _port(environment.get("PORT") or "8000")
        return cls(
            mode=mode,
            host=host,
            port=port,
            engine=environment.get("ENGINE") or ("vllm" if mode == "demo" else "none"),
            base_url=(environment.get("BASE_URL") or f"http://{_visitor_host(host)}:{port}").rstrip("/"),
            engine_models=tuple(environment.get("ENGINE_MODELS", "").split()),
        )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Problem(f"PORT is {text!r}.", "Use a whole number from 1 to 65535, for example 8000.")
    return int(text)


def _visitor_host(host: str) -> str:
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def environment(home: Home, choices: Choices, base: Mapping[str, str]) -> dict[str, str]:
    """The variables of every process: the operator's own first, ours for whatever is not set."""
    ours = {
        "DATABASE_URL": database.url(home),
        "REDIS_URL": valkey.url(home.run / "limits.sock"),
        "BROKER_URL": f"redis+socket://{quote(str(home.run / 'broker.sock'))}",
        "INTERNAL_SOCKET": str(home.run / "internal.sock"),
        "STORE_PATH": str(home.blobs),
        "GATEWAY_URL": f"http://{_visitor_host(choices.host)}:{choices.port}",
        "PYTHONUNBUFFERED": "1",
        **{f"{name}_FILE": str(home.secret_file(name)) for name in SECRETS if name not in base},
    }
    fixed = {
        "WEIGHBRIDGE_HOME": str(home.path),
        "WEIGHBRIDGE_MODE": choices.mode,
        "BASE_URL": choices.base_url,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONPATH": str(ROOT),
    }
    missing = {name: value for name, value in ours.items() if not base.get(name) and f"{name}_FILE" not in base}
    return {**base, **missing, **fixed}


def servers(home: Home, base: Mapping[str, str]) -> list[Spec]:
    """The private servers, each left out where the operator names one of his own."""
    specs = []
    if not brings_database(base):
        specs.append(database.spec(home))
    if not _given(base, "REDIS_URL"):
        specs.append(valkey.limits(home))
    if not _given(base, "BROKER_URL"):
        specs.append(valkey.broker(home))
    return specs


def brings_database(base: Mapping[str, str]) -> bool:
    """Whether the operator names a PostgreSQL of his own."""
    return _given(base, "DATABASE_URL")


def _given(base: Mapping[str, str], name: str) -> bool:
    return bool(base.get(name) or base.get(f"{name}_FILE"))


def doors(home: Home, choices: Choices, env: Mapping[str, str]) -> list[Spec]:
    """What answers requests: the public port, and the private socket that the gateway asks."""
    internal = Path(env["INTERNAL_SOCKET"])
    internal.unlink(missing_ok=True)
    public = ["--host", choices.host, "--port", str(choices.port), "--timeout-keep-alive", "65"]
    return [
        _server(
            "internal", "inference.internal:application", ["--uds", str(internal)], env, 1, lambda: _accepts(internal)
        ),
        _server("web", "portal.asgi:application", public, env, 2, lambda: healthy(choices)),
    ]


def loops(home: Home, env: Mapping[str, str]) -> list[Spec]:
    """What works by itself: the outbox, the ledger, jobs and their schedule. Nobody waits for their start."""
    schedule = ["--beat", "--schedule", str(home.broker / "beat")]
    worker = ["-m", "celery", "-A", "portal", "worker", *schedule, "--pool", "threads", "--concurrency", "1", *_QUIET]
    found = [
        _manage("relay", ["relay"], env),
        _manage("post_usage", ["post_usage"], env),
        Spec(name="worker", argv=[sys.executable, *worker], environment=env, tier=1, needed=False),
        _worker("checker", "checks", _TWO, env),
        _worker("batches", "batches", _TWO, env),
    ]
    python = env.get("CONVERTER_PYTHON", str(CONVERTER_PYTHON) if CONVERTER_PYTHON.exists() else "")
    return [*found, _worker("converter", "conversion", ["solo"], env)] if python else found


def _worker(name: str, queue: str, pool: Sequence[str], env: Mapping[str, str]) -> Spec:
    """A worker of one queue, apart from the other jobs, which have dates: its own take minutes to hours (CELERY_TASK_ROUTES)."""
    worker = ["-m", "celery", "-A", "portal", "worker", "--queues", queue, "--hostname", f"{name}@%h"]
    argv = [sys.executable, *worker, "--pool", *pool, *_QUIET]
    return Spec(name=name, argv=argv, environment=env, tier=1, needed=False)


def _manage(name: str, arguments: list[str], env: Mapping[str, str]) -> Spec:
    argv = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return Spec(name=name, argv=argv, environment=env, tier=1, needed=False)


def _server(
    name: str, app: str, listen: list[str], env: Mapping[str, str], tier: int, ready: Callable[[], bool]
) -> Spec:
    argv = [sys.executable, "-m", "inference.gateway.server", app, *listen]
    return Spec(name=name, argv=argv, environment=env, tier=tier, ready=ready)


def healthy(choices: Choices) -> bool:
    """Whether the public port answers a page of Django's, asked by the name under which visitors know it: no other is served."""
    host = "127.0.0.1" if choices.host == "0.0.0.0" else choices.host
    connection = http.client.HTTPConnection(host, choices.port, timeout=10)
    try:
        connection.request("GET", "/account/login/", headers={"Host": urlsplit(choices.base_url).netloc})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _accepts(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.fspath(path))
    except OSError:
        return False
    return True
