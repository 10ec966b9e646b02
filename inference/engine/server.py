"""One server through its life: waiting → starting → up → (dead → waiting, longer each time)."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from inference.engine import group, probe
from inference.engine.command import PLACES, Plan, command, environment

Announce = Callable[[dict[str, Any]], None]


class NotAnnounced(Exception):
    """Nobody could be told that a server is ready."""


START_LIMIT_S: Final = 600.0
SILENCE_LIMIT_S: Final = 30.0
STEADY_S: Final = 300.0
"""Up for this long, a server's earlier failures are forgotten."""
_PROBE_EVERY_S: Final = 2.0
_MEASURE_EVERY_S: Final = 15.0


@dataclass
class Server:
    """Call tick() often; it blocks for a probe, or for the few seconds that ending a server takes."""

    plan: Plan
    token: str
    announce: Announce
    memory_limit_mb: int
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    up: bool = False
    failures: int = 0
    wait_until: float = 0.0
    started: float = 0.0
    last_seen: float = 0.0
    next_probe: float = field(default=0.0, repr=False)
    next_measure: float = field(default=0.0, repr=False)

    def tick(self, now: float) -> None:
        """Advance by one step; `now` is the monotonic clock in seconds."""
        if self.process is None:
            if now >= self.wait_until:
                self._start(now)
        elif self.process.poll() is not None:
            self._fail(self.process, f"the server ended with status {self.process.returncode}")
        elif now >= self.next_probe:
            self.next_probe = now + _PROBE_EVERY_S
            problem = self._watch(self.process, now)
            if problem:
                self._fail(self.process, problem)

    def ask_to_end(self) -> None:
        """Send SIGTERM without waiting, so that several servers end at the same time."""
        if self.process is not None and self.process.poll() is None:
            self._leave("stopped")
            self.process.terminate()

    def stop(self) -> None:
        """End the server and say so."""
        if self.process is not None:
            self._leave("stopped")
            group.stop(self.process)
            self._file.unlink(missing_ok=True)
            self.process = None

    def _start(self, now: float) -> None:
        if group.sweep(self._file):
            self._say("swept", reason="a server of an earlier run was still there")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = self.plan.home / "log" / f"{self.plan.name}.log"
        self.process = group.start(command(self.plan, port), environment=environment(self.plan, self.token), log=log)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(str(self.process.pid), encoding="ascii")
        self.started = self.last_seen = now
        self.next_measure = now + _MEASURE_EVERY_S
        self._say("starting", pid=self.process.pid, log=str(log))

    def _watch(self, process: subprocess.Popen[bytes], now: float) -> str:
        """Look at the running server; returns what is wrong with it, or nothing."""
        if now >= self.next_measure:
            self.next_measure = now + _MEASURE_EVERY_S
            used = group.memory_mb(process.pid)
            if used > self.memory_limit_mb:
                return f"it uses {used} MiB; {self.memory_limit_mb} are allowed"
        if not probe.healthy(self.url):
            return self._silence(now)
        self.last_seen = now
        if not self.up:
            return self._ready(now)
        if now - self.started > STEADY_S:
            self.failures = 0
        return ""

    def _silence(self, now: float) -> str:
        if self.up and now - self.last_seen > SILENCE_LIMIT_S:
            return f"no sign of life for {SILENCE_LIMIT_S:.0f} s"
        if not self.up and now - self.started > START_LIMIT_S:
            return f"not ready after {START_LIMIT_S:.0f} s"
        return ""

    def _ready(self, now: float) -> str:
        try:
            facts = probe.facts(self.url, self.plan.model)
        except (OSError, LookupError, ValueError) as error:
            return f"it answers, but not as expected: {error}"
        try:
            self._say("ready", url=self.url, seconds=round(now - self.started, 1), places=PLACES, **asdict(facts))
        except NotAnnounced:
            return self._silence(now)
        self.up = True
        return ""

    def _fail(self, process: subprocess.Popen[bytes], reason: str) -> None:
        self._leave(reason)
        group.stop(process)
        self.failures += 1
        pause = min(60.0, 2.0 ** min(self.failures - 1, 6))
        self.process, self.wait_until = None, time.monotonic() + pause
        self._say("failed", reason=reason, again_in_s=pause, log_end=self._log_end())

    def _leave(self, reason: str) -> None:
        if self.up:
            self.up = False
            self._say("gone", url=self.url, reason=reason)

    def _log_end(self) -> str:
        try:
            text = (self.plan.home / "log" / f"{self.plan.name}.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")[-500:]

    def _say(self, event: str, **data: object) -> None:
        self.announce({"event": event, "model": self.plan.model, "revision": self.plan.revision, **data})

    @property
    def _file(self) -> Path:
        return self.plan.home / "run" / f"{self.plan.name}.group"


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
