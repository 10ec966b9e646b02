"""The whole running portal, as a person starts it: one process tree per pytest worker, shared by all stack tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import once

ROOT = Path(__file__).resolve().parents[1]
READY_S = 180.0
_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "BASE_URL",
    "BLOB_SIGNING_KEY",
    "STORE_PATH",
    "DJANGO_SETTINGS_MODULE",
    "INTERNAL_SOCKET",
    "MAKELEVEL",
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean_environment(**more: str) -> dict[str, str]:
    """Our environment without what the test run itself has set."""
    kept = {k: v for k, v in os.environ.items() if k not in _OURS and not k.startswith(("WEIGHBRIDGE_", "PYTEST_"))}
    return {**kept, **more}


@dataclass
class Stack:
    """A `make demo` under test."""

    home: Path
    port: int
    engine: str = "none"
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        home = {"WEIGHBRIDGE_HOME": str(self.home), "PORT": str(self.port), "HOST": "127.0.0.1"}
        return clean_environment(**home, ENGINE=self.engine, PSEUDO_LOCALE="1")

    def start(self, command: str = "demo", *, within_s: float = READY_S) -> Stack:
        """Start it and read what it prints until it is ready; AssertionError with all of that when it is not."""
        self.process = launch(command, self.environment, self.screen)
        end = time.monotonic() + within_s
        while "Weighbridge is ready" not in self.output:
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < end, f"not ready after {within_s} s:\n{self.output}"
            time.sleep(0.05)
        return self

    @property
    def screen(self) -> Path:
        """The file that holds what it prints."""
        return self.home.parent / f"{self.home.name}.screen"

    @property
    def output(self) -> str:
        """What it has printed since it was started."""
        return self.screen.read_text() if self.screen.exists() else ""

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    @contextmanager
    def held_engine(self) -> Iterator[None]:
        """Its engine is stopped meanwhile, and goes on afterwards: what it was making is surely not done in between."""
        engine = int(next((self.home / "engine" / "run").glob("*.group")).read_text())
        os.killpg(engine, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(engine, signal.SIGCONT)

    @property
    def demo(self) -> dict[str, Any]:
        """demo.json."""
        found: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return found

    def password(self, email: str) -> str:
        return next(user["password"] for user in self.demo["users"] if user["email"] == email)

    def email(self, role: str) -> str:
        return next(user["email"] for user in self.demo["users"] if user["role"] == role)

    def model(self, *, gated: bool) -> str:
        return next(model["id"] for model in self.demo["models"] if model["gated"] is gated)

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """A management command against this portal's own database; its output."""
        env = {
            **self.environment,
            "WEIGHBRIDGE_MODE": "demo",
            "BASE_URL": self.base_url,
            "DATABASE_URL": f"postgresql://weighbridge@/weighbridge?host={self.run / 'postgres'}",
            "REDIS_URL": f"unix://{self.run / 'limits.sock'}",
            "STORE_PATH": str(self.home / "blobs"),
        }
        for secret in (self.home / "secrets").iterdir():
            if secret.name != "engine_token":
                env[f"{secret.name.upper()}_FILE"] = str(secret)
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=env, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def run(self) -> Path:
        return self.home / "run"


def launch(command: str, environment: dict[str, str], screen: Path) -> subprocess.Popen[bytes]:
    """`python -m infra.embedded <command>`, printing into the file `screen`."""
    with screen.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.embedded", command],
            env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip


def processes_of(home: Path) -> dict[int, str]:
    """Every process on this machine that belongs to the home, by its command line or environment: id → command."""
    mark = os.fsencode(home)
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if mark in command or mark in (entry / "environ").read_bytes():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")[:120]
        except OSError:
            continue
    found.pop(os.getpid(), None)
    return found


def temporary_home() -> Path:
    """A directory with a short path: Unix sockets lie in it."""
    return Path(tempfile.mkdtemp(prefix="wb-stack-", dir="/tmp")) / "home"


def loaded() -> bool:
    """Whether this machine is too busy for a promise in seconds to be measured on it."""
    return os.getloadavg()[0] > 1.25 * (os.cpu_count() or 1)


def keep(stack: Stack) -> None:
    """Leave a copy of a home whose portal has stopped to the later stacks of this run, unless there is one."""
    if stack.home.joinpath("demo.json").exists():
        once.leave("home", lambda copy: _copy(stack.home, copy))


def _copy(home: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", str(home), str(to)], check=True)  # PostgreSQL's files stay its account's


def _started_before(engine: str) -> Stack:
    """A stack in a home that was filled in this run, where there is one: the first start alone takes a minute.

    Without an engine it has the address it was filled for as well, if that is free, and finds nothing to do. With one it
    has an address of its own, and writes it into its data: the two may run beside each other.
    """
    stack = Stack(temporary_home(), free_port(), engine)
    if left := once.left("home"):
        _copy(left, stack.home)
        port = urlsplit(stack.demo["base_url"]).port
        if engine == "none" and port and _is_free(port):
            stack.port = port
    return stack


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        return listener.connect_ex(("127.0.0.1", port)) != 0


def _session(engine: str) -> Iterator[Stack]:
    stack = _started_before(engine)
    try:
        yield stack.start(within_s=READY_S if engine == "none" else 400)
    finally:
        if stack.process is not None:
            stack.stop()
        shutil.rmtree(stack.home.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The demo without an engine."""
    yield from _session("none")


@pytest.fixture(scope="session")
def engine_stack() -> Iterator[Stack]:
    """The demo with a real vLLM; skips where the engine environment is not installed."""
    if "ENGINE_PYTHON" not in os.environ and not (ROOT / ".venv-engine" / ".stamp").exists():
        pytest.skip("the engine environment is not installed (make engine)")
    yield from _session("vllm")


LIMITS = {"engine": 600, "stack": 300, "browser": 300}
"""Seconds that a test of each kind may take."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist all tests of one running portal go to one worker, and those of one browser; each kind has its limit.
    The first start comes first: its home is kept for the others. What needs the engine's environment alone does not wait
    for the engine, whose tests take the longest of all."""
    items.sort(key=lambda item: item.path.stem != "test_lifecycle")
    for item in items:
        kind = next((kind for kind in LIMITS if item.get_closest_marker(kind)), None)
        if kind is None:
            continue
        alone = kind == "browser" or (kind == "engine" and "engine_stack" not in getattr(item, "fixturenames", ()))
        group = item.path.stem if alone else kind
        item.add_marker(pytest.mark.xdist_group(group))
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LIMITS[kind]))
