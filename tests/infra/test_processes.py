"""Starting, watching and ending processes; with real ones."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.embedded import processes
from infra.embedded.home import ROOT
from infra.embedded.problems import Problem
from infra.embedded.processes import Group, Process, Spec


def _spec(script: str, **more: object) -> Spec:
    return Spec(name="sample", argv=[sys.executable, "-c", script], environment={"PATH": "/usr/bin:/bin"}, **more)  # type: ignore[arg-type]


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(what: object, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_died_is_started_again_after_a_longer_and_longer_pause(tmp_path: Path) -> None:
    said: list[str] = []
    group = Group(tmp_path, said.append)
    group.start([_spec("raise SystemExit(7)", needed=False)], stopping=lambda: False)
    process = group.processes[0]
    waits = []
    for _ in range(2):
        _until(lambda: process.pid is None)
        group.mend()
        waits.append(process.retry_at - time.monotonic())
        process.retry_at = 0
        group.mend()
    group.stop()
    assert waits[1] > 1.5 * waits[0] > 0.5
    assert "exit status 7" in said[0]


def test_a_needed_process_that_keeps_dying_stops_the_start_and_shows_its_log(tmp_path: Path) -> None:
    group = Group(tmp_path, print)
    with pytest.raises(Problem, match="ended as soon as it was started") as found:
        group.start([_spec("raise SystemExit('the reason')", ready=lambda: False)], stopping=lambda: False)
    assert "the reason" in found.value.step


def test_one_that_does_not_get_ready_is_named(tmp_path: Path) -> None:
    group = Group(tmp_path, print)
    with pytest.raises(Problem, match="was not ready after 0 s"):
        group.start([_spec("import time; time.sleep(60)", ready=lambda: False, ready_s=0.3)], stopping=lambda: False)
    group.stop()


def test_stopping_takes_the_children_of_a_process_that_ignores_signals(tmp_path: Path) -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    process = Process(_spec(script, stop_s=0.3), tmp_path / "sample.log")
    process.start()
    _until(process.tail)
    child = int(process.tail())
    process.ask_to_stop()
    process.finish(time.monotonic() + 0.3)
    _until(lambda: not _running(child))


def test_tiers_end_in_the_reverse_of_their_order(tmp_path: Path) -> None:
    script = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(print(time.monotonic(), flush=True)))\nprint('up', flush=True)\ntime.sleep(60)"
    group = Group(tmp_path, print)
    for tier in (0, 1):
        spec = _spec(script, tier=tier)
        log = tmp_path / f"tier{tier}.log"
        process = Process(spec, log)
        process.start()
        group.processes.append(process)
        _until(lambda log=log: log.exists() and "up" in log.read_text())
    group.stop()
    ends = [float((tmp_path / f"tier{tier}.log").read_text().split()[1]) for tier in (0, 1)]
    assert ends[1] < ends[0]


def test_children_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from infra.embedded.processes import Process, Spec\n"
        f"p = Process(Spec(name='x', argv=[sys.executable, '-c', 'import time; time.sleep(60)']), Path({str(tmp_path)!r}) / 'x.log')\n"
        "p.start(); print(p.pid, flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[2]
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root)
    assert starter.stdout is not None
    child = int(starter.stdout.readline())
    assert _running(child)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _until(lambda: not _running(child))


def test_a_start_that_the_system_refuses_is_tried_again_and_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    group = Group(tmp_path, said.append)
    group.start([_spec("raise SystemExit(7)", needed=False)], stopping=lambda: False)
    process = group.processes[0]
    _until(lambda: process.pid is None)
    group.mend()
    with monkeypatch.context() as short:
        short.setattr(subprocess, "Popen", Mock(side_effect=BlockingIOError(11, "Resource temporarily unavailable")))
        process.retry_at = 0
        group.mend()
        assert "could not be started" in said[-1]
        assert not process.due(), "not at once"
    process.retry_at = 0
    group.mend()
    group.stop()
    assert said[-1] == "sample started again."


def test_a_log_does_not_grow_for_as_long_as_its_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker writes eight megabytes a day; whoever never restarts a portal that works had a full disk some day."""
    monkeypatch.setattr(processes, "LOG_LIMIT", 1000)
    group = Group(tmp_path, print)
    script = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("b", flush=True))
print("a" * 2000, flush=True)
while True:
    signal.pause()
"""
    group.start([_spec(script)], stopping=lambda: False)
    log, before = tmp_path / "sample.log", tmp_path / "sample.log.1"
    _until(lambda: log.stat().st_size > 1000)
    group.mend()
    assert (log.read_text(), set(before.read_text().strip())) == ("", {"a"})
    os.kill(group.processes[0].pid, signal.SIGUSR1)
    _until(lambda: log.stat().st_size)
    assert log.read_text() == "b\n", "it goes on at the beginning"
    group.mend()
    assert set(before.read_text().strip()) == {"a"}, "a log that is short stays"
    group.stop()


def test_a_command_that_prepares_a_start_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """`kill -9` of an upgrade left its migrate at work on a database of the operator's own."""
    begun = tmp_path / "begun"
    (tmp_path / "manage.py").write_text(
        f"import os, pathlib, time\npart = pathlib.Path({str(begun)!r} + '.part')\npart.write_text(str(os.getpid()))\n"
        f"part.rename({str(begun)!r})\ntime.sleep(300)\n"
    )
    upgrade = f"""
import pathlib, os
from infra.embedded import preparation
from infra.embedded.home import Home
preparation.ROOT = pathlib.Path({str(tmp_path)!r})
home = Home(pathlib.Path({str(tmp_path / "home")!r}))
home.prepare("serve")
preparation.manage(os.environ, home, "migrate")
"""
    parent = subprocess.Popen([sys.executable, "-c", upgrade], cwd=ROOT)
    _until(begun.exists, 30)
    child = int(begun.read_text())
    parent.kill()
    parent.wait()
    _until(lambda: not _running(child))
