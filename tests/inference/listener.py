"""The private listener as the stack runs it: its own process, on a Unix socket, over this run's test database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.db import connection


def environment(secret: str = "test-internal-secret") -> dict[str, str]:
    """Of a process over this run's test database."""
    database = os.environ["DATABASE_URL"].replace("/weighbridge?", f"/{connection.settings_dict['NAME']}?")
    return {**os.environ, "DATABASE_URL": database, "INTERNAL_SECRET": secret, "BLOB_SIGNING_KEY": "b"}


@contextmanager
def listening(home: Path, secret: str = "test-internal-secret") -> Iterator[httpx.Client]:
    """The real process on a real socket, as the stack runs it."""
    path = home / "internal.sock"
    server = [sys.executable, "-m", "inference.gateway.server"]
    command = [*server, "inference.internal:application", "--uds", str(path)]
    process = subprocess.Popen(command, env=environment(secret))
    try:
        for _ in range(300):
            with socket.socket(socket.AF_UNIX) as plug:
                if plug.connect_ex(str(path)) == 0:
                    break
            time.sleep(0.1)
        yield httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://internal", timeout=10)
    finally:
        process.terminate()
        process.wait(10)
