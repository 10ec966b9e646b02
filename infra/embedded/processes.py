"""Processes that we start, watch, start again when they die, and stop in order."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.embedded import privileges
from infra.embedded.problems import Problem

LOG_LIMIT: Final = 16 * 1024 * 1024
"""Bytes after which a log is put aside (one older one is kept)."""
_FIRST_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 30.0
_STEADY_S: Final = 60.0
"""A process that ran this long has recovered: its next death starts with a short backoff again."""
_STARTUP_DEATHS: Final = 3


@dataclass(frozen=True, slots=True)
class Spec:
    """How to run one process."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    tier: int = 0
    """Started in ascending order, stopped in descending order, side by side within a tier."""
    ready: Callable[[], bool] = lambda: True
    ready_s: float = 60.0
    stop: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    user: pwd.struct_passwd | None = None
    search: bool = False
    """Whether the user must be able to search directories that are not its own."""
    needed: bool = True
    """Whether the stack is of no use without it."""


class Process:
    """One running process and its history."""

    def __init__(self, spec: Spec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.deaths = 0
        self.retry_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._popen.pid if self._popen is not None and self._popen.poll() is None else None

    def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only us."""
        _rotate(self.log)
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                list(self.spec.argv),
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=privileges.become(self.spec.user, end=self.spec.stop, search=self.spec.search),
            )
        self._started = time.monotonic()

    def died(self) -> int | None:
        """The exit status, once, when it has ended by itself; sets when to try again."""
        if self._popen is None or self._popen.poll() is None:
            return None
        status = self._popen.returncode
        self._end_group()
        self._popen = None
        self.put_off(steady=time.monotonic() - self._started > _STEADY_S)
        return status

    def put_off(self, *, steady: bool = False) -> float:
        """Count a death and set when to try again; in how many seconds that is."""
        self.deaths = 1 if steady else self.deaths + 1
        wait: float = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (self.deaths - 1))
        self.retry_at = time.monotonic() + wait
        return wait

    def due(self) -> bool:
        """Whether it has died and its backoff is over."""
        return self._popen is None and time.monotonic() >= self.retry_at

    def ask_to_stop(self) -> None:
        """Send its stop signal."""
        if self.pid is not None and self._popen is not None:
            self._popen.send_signal(self.spec.stop)

    def finish(self, deadline: float) -> None:
        """Wait until the deadline (monotonic seconds), then kill it and whatever is left of its group."""
        if self._popen is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(max(0.0, deadline - time.monotonic()))
        self._end_group()
        self._popen.wait()
        self._popen = None

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        try:
            content = self.log.read_bytes()[-16384:]
        except OSError:
            return ""
        return "\n".join(content.decode(errors="replace").splitlines()[-lines:])

    def _end_group(self) -> None:
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)


class Group:
    """All processes of a stack."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._say = say
        self.processes: list[Process] = []

    def start(self, specs: Iterable[Spec], *, stopping: Callable[[], bool]) -> None:
        """Start all of one tier side by side and wait until each is ready.

        Raises Problem, with the end of its log, for a needed process that keeps dying or does not get ready.
        """
        fresh = [Process(spec, self._logs / f"{spec.name}.log") for spec in specs]
        for process in fresh:
            self.processes.append(process)
            process.start()
        for process in fresh:
            if process.spec.needed:
                self._await(process, stopping)

    def _await(self, process: Process, stopping: Callable[[], bool]) -> None:
        end = time.monotonic() + process.spec.ready_s
        while not stopping() and not (process.pid is not None and process.spec.ready()):
            if process.died() is not None and process.deaths >= _STARTUP_DEATHS:
                raise _failure(process, "ended as soon as it was started")
            if process.due():
                process.start()
            if time.monotonic() > end:
                raise _failure(process, f"was not ready after {process.spec.ready_s:.0f} s")
            time.sleep(0.05)

    def mend(self) -> None:
        """Start again what has died and whose backoff is over, and put aside the logs that have grown."""
        for process in self.processes:
            _empty(process.log)
            status = process.died()
            if status is not None:
                wait = max(0.0, process.retry_at - time.monotonic())
                self._say(
                    f"{process.spec.name} ended ({_ending(status)}); see {process.log}. Next try in {wait:.1f} s."
                )
            if process.due():
                self._start_again(process)

    def _start_again(self, process: Process) -> None:
        """What the system refuses now, for want of memory or processes, is no reason to stop all the others."""
        try:
            process.start()
        except (OSError, subprocess.SubprocessError) as error:
            wait = process.put_off()
            self._say(f"{process.spec.name} could not be started ({error}). Next try in {wait:.1f} s.")
        else:
            self._say(f"{process.spec.name} started again.")

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop everything, the highest tier first. After `hurry` turns true nothing is waited for."""
        for tier in sorted({process.spec.tier for process in self.processes}, reverse=True):
            batch = [process for process in self.processes if process.spec.tier == tier]
            for process in batch:
                process.ask_to_stop()
            for process in batch:
                self._await_end(process, hurry)
        self.processes.clear()

    @staticmethod
    def _await_end(process: Process, hurry: Callable[[], bool]) -> None:
        end = time.monotonic() + process.spec.stop_s
        while process.pid is not None and time.monotonic() < end and not hurry():
            time.sleep(0.02)
        process.finish(time.monotonic())


def _failure(process: Process, what: str) -> Problem:
    return Problem(f"{process.spec.name} {what}.", f"The end of its log, {process.log}:\n\n{process.tail()}")


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


def _empty(log: Path) -> None:
    """While its process runs, which has it open to append: a copy is put aside. A line written between the two is lost."""
    with contextlib.suppress(OSError):  # a disk that has no room for the copy
        if log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
