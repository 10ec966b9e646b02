"""What must be true before anything is started; each failure says what to do."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.embedded.home import Home
from infra.embedded.problems import Problem

PYTHONS: Final = ((3, 11), (3, 12))
"""Versions that the locks were tried on."""
FREE_BYTES: Final = 512 * 1024 * 1024
"""What a fresh home with the demo's models and their ladders needs, with room for logs."""
_PACKAGES: Final = ("django", "uvicorn", "a2wsgi", "celery", "psycopg2")


def all_of(home: Home, *, mode: str, host: str, port: int) -> None:
    """Run every check; raises Problem at the first that fails."""
    python()
    packages()
    writable(home)
    free_space(home.path)
    right_mode(home, mode)
    port_is_free(host, port, mode)


def python() -> None:
    """The interpreter is one the locks were tried on."""
    if sys.version_info[:2] not in PYTHONS:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise Problem(
            f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; Weighbridge runs on {wanted}.",
            "Install one of them and run `make clean`, then `make PYTHON=python3.11 demo`.",
        )


def packages() -> None:
    """The environment holds what the lock names."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Problem(f"This Python environment lacks {', '.join(missing)}.", "Run `make setup`.")


def writable(home: Home) -> None:
    """The home can be made and written."""
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home.path) as file:
            file.write(b"x")
    except OSError as error:
        raise Problem(
            f"{home.path} cannot be written ({error.strerror}).",
            "Set WEIGHBRIDGE_HOME to a directory of your own, for example WEIGHBRIDGE_HOME=$HOME/weighbridge.",
        ) from error


def free_space(path: Path, least: int = FREE_BYTES) -> None:
    """The disk has room."""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if free < least:
        raise Problem(
            f"The disk of {path} has {free // 2**20} MiB free; at least {least // 2**20} MiB are needed.",
            "Free some space, or set WEIGHBRIDGE_HOME to a directory on another disk.",
        )


def right_mode(home: Home, mode: str) -> None:
    """The home does not belong to the other command."""
    found = home.mode()
    if found and found != mode:
        raise Problem(
            f"{home.path} belongs to `make {found}`.",
            f"Set WEIGHBRIDGE_HOME to another directory for `make {mode}`, or run `make {found}`.",
        )


def port_is_free(host: str, port: int, mode: str) -> None:
    """We can listen where we were asked to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _refusal(error, host, port, mode) from error


def _refusal(error: OSError, host: str, port: int, mode: str) -> Problem:
    other = f"Choose another: `PORT={port + 1 if port < 65535 else 8000} make {mode}`."
    if error.errno == errno.EADDRINUSE:
        return Problem(f"Port {port} on {host} is in use by another program.", other)
    if error.errno == errno.EACCES:
        return Problem(f"Port {port} is for the system alone.", f"Choose one above 1023: `PORT=8000 make {mode}`.")
    return Problem(
        f"This machine cannot listen on {host} ({error.strerror}).",
        f"Use one of its addresses: `HOST=127.0.0.1 make {mode}`.",
    )
