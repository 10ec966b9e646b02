"""One private server at a time, for a test run: the same servers as the stack's, without a supervisor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from infra.embedded import database, valkey
from infra.embedded.home import Home
from infra.embedded.problems import Problem
from infra.embedded.processes import Process, Spec


@dataclass(slots=True)
class Server:
    """A running server."""

    url: str
    process: Process

    def stop(self, patience_s: float = 15) -> None:
        """Ask it to end, wait, and kill it only when it does not."""
        self.process.ask_to_stop()
        self.process.finish(time.monotonic() + patience_s)


def start_postgres(path: Path, log: Path, *, durable: bool = True) -> Server:
    """A private PostgreSQL beneath `path`, with our database. `durable=False`: no fsync. Raises Problem."""
    home = Home(path)
    home.prepare_sockets()
    server = _start(database.spec(home, durable=durable), database.url(home), log)
    database.create(home)
    return server


def start_valkey(path: Path, name: str, log: Path, *, persist: bool) -> Server:
    """A private Valkey beneath `path`: `persist` keeps every write, else it is a cache. Raises Problem."""
    home = Home(path)
    home.prepare_sockets()
    directory, socket = home.path / name, home.run / f"{name}.sock"
    directory.mkdir(parents=True, exist_ok=True)
    options = valkey.REMEMBER if persist else valkey.FORGET
    return _start(valkey.spec(name, directory, socket, options), valkey.url(socket), log)


def _start(spec: Spec, url: str, log: Path) -> Server:
    process = Process(spec, log)
    process.start()
    end = time.monotonic() + spec.ready_s
    while not spec.ready():
        if process.pid is None or time.monotonic() > end:
            process.finish(time.monotonic())
            raise Problem(f"{spec.name} did not start.", f"The end of {log}:\n\n{process.tail()}")
        time.sleep(0.02)
    return Server(url, process)
