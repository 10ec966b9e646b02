"""One run of the stack: prepare, start, watch, stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from infra.embedded import database, prechecks, preparation, privileges, screen, serving, stack
from infra.embedded.engine import Engine
from infra.embedded.home import ROOT, Home, Lock
from infra.embedded.processes import Group
from infra.embedded.stack import Choices

_WATCH_S: Final = 0.25


class Supervisor:
    """Runs the stack of one home until told to stop; a second Ctrl-C stops waiting for what is slow to end."""

    def __init__(self, home: Home, choices: Choices, say: Callable[[str], None]) -> None:
        self.home = home
        self.choices = choices
        self.say = say
        self.group = Group(home.logs, say)
        self.engine = Engine(home, choices)
        self._stop = threading.Event()
        self._signals = 0

    def run(self, base: Mapping[str, str]) -> None:
        """Everything, in order. Raises Problem when it cannot; whatever was started is stopped on the way out."""
        started = time.monotonic()
        _follow_make()
        self._listen()
        prechecks.writable(self.home)
        lock = Lock(self.home)
        lock.take(mode=self.choices.mode, url=self.choices.base_url)
        prechecks.all_of(self.home, mode=self.choices.mode, host=self.choices.host, port=self.choices.port)
        if not stack.brings_database(base):
            preparation.expect_database(self.home)
        env = stack.environment(self.home, self.choices, base)
        self.home.prepare(self.choices.mode)
        if self.choices.mode == "serve":
            serving.ask(self.home, env)
        try:
            self._start(env, base)
            if not self._stop.is_set():
                lock.write(mode=self.choices.mode, url=self.choices.base_url, ready=True)
                self.say(screen.ready(self.home, self.choices, self.engine, time.monotonic() - started))
            self._watch()
        finally:
            self.say("Stopping …")
            self.group.stop(hurry=lambda: self._signals > 1)
            self.say("Stopped. Nothing is lost; the same command starts it again.")

    def _start(self, env: Mapping[str, str], base: Mapping[str, str]) -> None:
        self.say(f"Starting in {self.home.path} …")
        self.group.start(stack.servers(self.home, base), stopping=self._stop.is_set)
        if self._stop.is_set():
            return
        fresh = stack.brings_database(base) or database.create(self.home)
        self._step("database is up to date", lambda: preparation.migrate(self.home, env, fresh=fresh))
        self._step("static files are gathered", lambda: preparation.collect_static(self.home, env))
        if self.choices.mode == "demo":
            self._step("demo lab is filled", lambda: preparation.seed(self.home, env, fresh=fresh))
        else:
            serving.offer(self.home, env, self.say)
        for batch in (stack.doors(self.home, self.choices, env), stack.loops(self.home, env)):
            if not self._stop.is_set():
                self.group.start(batch, stopping=self._stop.is_set)
        self._start_engine(env)

    def _step(self, what: str, action: Callable[[], bool]) -> None:
        began = time.monotonic()
        if not self._stop.is_set() and action():
            self.say(f"  {what} ({time.monotonic() - began:.1f} s)")

    def _start_engine(self, env: Mapping[str, str]) -> None:
        spec = self.engine.spec(env)
        if self._stop.is_set():
            return
        if spec is None:
            if (self.home.logs / "engine.log").exists():
                preparation.manage(env, self.home, "pool", "forget")
            return
        self.say(f"  pages and downloads answer at {self.choices.base_url}; the engine loads its weights from there …")
        self.group.start([spec], stopping=self._stop.is_set)
        self.engine.wait(self._stop, self.group.mend)

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_S):
            self.group.mend()

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._stop.set()


def _follow_make() -> None:
    """Under make, end with make: `kill -9` of make must not leave a stack behind that nobody watches."""
    os.chdir(ROOT)
    if os.environ.get("MAKELEVEL"):
        privileges.end_with_parent(signal.SIGTERM)
