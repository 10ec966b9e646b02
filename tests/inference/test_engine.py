"""The supervisor of the engine, against a fake server: what it starts, what it tells, what it leaves behind."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference.engine import group, probe, server
from inference.engine.command import Plan, command, environment
from inference.engine.server import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_vllm.py")
SECRET = "wb_svc_" + "0" * 38


@pytest.fixture
def plan(tmp_path) -> Plan:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    python.chmod(0o755)
    return Plan("lyceum/pico-opt-1m", "a" * 40, "http://127.0.0.1:8000", python, tmp_path / "engine")


class Watched:
    """A server, its events, and a way to wait for one."""

    def __init__(self, plan: Plan, **options: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.server = Server(plan, SECRET, self.events.append, options.pop("memory_limit_mb", 4096))

    def until(self, name: str, *, seconds: float = 20, times: int = 1) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while [event["event"] for event in self.events].count(name) < times:
            assert time.monotonic() < end, self.events
            self.server.tick(time.monotonic())
            time.sleep(0.02)
        return [event for event in self.events if event["event"] == name][-1]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(server, "_PROBE_EVERY_S", 0.05)
    monkeypatch.setattr(group.stop, "__kwdefaults__", {"grace_s": 1.0})


@pytest.fixture
def watch():
    watched: list[Watched] = []

    def begin(plan: Plan, **options: Any) -> Watched:
        watched.append(Watched(plan, **options))
        return watched[-1]

    yield begin
    for one in watched:
        one.server.stop()


def test_the_package_needs_the_standard_library_alone():
    for module in (ROOT / "inference" / "engine").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert all(
                    str(n).split(".")[0] in sys.stdlib_module_names or str(n).startswith("inference.engine")
                    for n in names
                ), module


def test_the_command_pins_the_revision_bounds_memory_and_stays_on_loopback(plan):
    line = command(plan, 4321)
    for flag, value in (
        ("--revision", "a" * 40),
        ("--tokenizer-revision", "a" * 40),
        ("--host", "127.0.0.1"),
        ("--port", "4321"),
        ("--kv-cache-memory-bytes", "256M"),
    ):
        assert line[line.index(flag) + 1] == value
    assert SECRET not in " ".join(line)


def test_weights_come_from_the_portal_and_our_secrets_stay_here(plan):
    ours = {
        "PATH": "/bin",
        "SECRET_KEY": "x",
        "DATABASE_URL": "x",
        "INTERNAL_SECRET": "x",
        "HF_ENDPOINT": "https://elsewhere.example",
        "HTTPS_PROXY": "x",
    }
    theirs = environment(plan, SECRET, ours)
    assert (theirs["HF_ENDPOINT"], theirs["HF_TOKEN"]) == ("http://127.0.0.1:8000", SECRET)
    assert not {"SECRET_KEY", "DATABASE_URL", "INTERNAL_SECRET", "HTTPS_PROXY"} & set(theirs)
    assert theirs["VLLM_NO_USAGE_STATS"] == "1"


def test_a_ready_server_says_what_it_measured(plan, watch):
    ready = watch(plan).until("ready")
    assert (ready["revision"], ready["places"]) == ("a" * 40, 36)
    assert (ready["engine"], ready["context"], ready["chat"], ready["template_overhead"]) == (
        "vllm 0.32.0",
        512,
        True,
        9,
    )
    assert (ready["generates"], ready["embeds"], ready["tokenizer_info"]) == (True, False, True)
    assert probe.healthy(ready["url"])


def test_the_running_server_has_only_the_environment_it_was_given(plan, watch, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "ours")
    watch(plan).until("ready")
    kept = json.loads((plan.home / "hub" / "environment.json").read_text())
    assert "SECRET_KEY" not in kept
    assert kept["HF_TOKEN"] == SECRET


def test_a_killed_server_is_reported_gone_and_started_again(plan, watch):
    watched = watch(plan)
    first = watched.until("starting")
    watched.until("ready")
    os.killpg(first["pid"], signal.SIGKILL)
    watched.until("gone")
    watched.until("ready", times=2)
    assert [e["event"] for e in watched.events] == ["starting", "ready", "gone", "failed", "starting", "ready"]


def test_a_server_that_cannot_start_waits_longer_each_time_and_says_why(plan, watch):
    watched = watch(replace(plan, model="lyceum/x-dies"))
    first = watched.until("failed")
    second = watched.until("failed", times=2)
    assert (first["again_in_s"], second["again_in_s"]) == (1.0, 2.0)
    assert "no memory for the cache" in first["log_end"]
    assert (plan.home / "log" / "x-dies.log.1").exists()


def test_a_server_that_ignores_sigterm_is_killed_with_its_group(plan, watch):
    watched = watch(replace(plan, model="lyceum/x-stubborn"))
    pid = watched.until("starting")["pid"]
    watched.until("ready")
    watched.server.stop()
    assert watched.events[-1]["event"] == "gone"
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def test_a_silent_server_is_replaced(plan, watch, monkeypatch):
    monkeypatch.setattr(server, "SILENCE_LIMIT_S", 0.5)
    monkeypatch.setattr(probe.healthy, "__kwdefaults__", {"timeout_s": 0.2})
    watched = watch(replace(plan, model="lyceum/x-silent"))
    assert "no sign of life" in watched.until("failed", seconds=30)["reason"]


def test_a_server_that_grows_too_large_is_replaced(plan, watch, monkeypatch):
    monkeypatch.setattr(server, "_MEASURE_EVERY_S", 0.0)
    monkeypatch.setattr(group, "memory_mb", lambda _: 9999)
    assert "9999 MiB" in watch(plan, memory_limit_mb=100).until("failed")["reason"]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel does not tell a process's memory")
def test_memory_of_the_group_is_measured(plan, watch):
    pid = watch(plan).until("starting")["pid"]
    assert 0 < group.memory_mb(pid) < 500


def test_what_a_killed_supervisor_left_is_swept_and_a_strangers_process_is_not(plan, watch, tmp_path):
    watched = watch(plan)
    watched.until("ready")
    orphan = watched.server.process
    watched.server.process = None  # as if this supervisor had been killed
    again = watch(plan)
    again.until("swept")
    assert orphan.wait(5) == -signal.SIGKILL
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    file = tmp_path / "other.group"
    file.write_text(str(stranger.pid))
    assert not group.sweep(file)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def start(plan: Plan, *arguments: str, **env: str) -> subprocess.Popen[str]:
    line = [
        sys.executable,
        "-m",
        "inference.engine",
        "--home",
        str(plan.home),
        "--python",
        str(plan.python),
        *arguments,
    ]
    return subprocess.Popen(
        line,
        cwd=ROOT,
        env={**os.environ, "ENGINE_TOKEN": SECRET, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_ends_clean_on_sigterm_and_refuses_a_second_of_its_kind(plan):
    model = f"{plan.model}@{plan.revision}"
    first = start(plan, "--models", model)
    starting = json.loads(first.stdout.readline())
    assert json.loads(first.stdout.readline())["event"] == "ready"
    second = start(plan, "--models", model)
    assert second.wait(20) == 2
    assert "Another engine runs" in second.stderr.read()
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(starting["pid"], 0)
    assert not list((plan.home / "run").glob("*.group"))
    for process in (first, second):
        process.stdout.close()
        process.stderr.close()


def test_a_server_that_cannot_be_announced_is_announced_again(plan):
    told: list[str] = []

    def announce(event: dict[str, Any]) -> None:
        told.append(event["event"])
        if told.count("ready") < 3 and event["event"] == "ready":
            raise server.NotAnnounced

    watched = Server(plan, SECRET, announce, 4096)
    end = time.monotonic() + 20
    while not watched.up and time.monotonic() < end:
        watched.tick(time.monotonic())
        time.sleep(0.02)
    watched.stop()
    assert told == ["starting", "ready", "ready", "ready", "gone"]


def test_without_a_portal_it_says_so(plan):
    process = start(plan, "--models", plan.model, "--endpoint", f"http://127.0.0.1:{free_port()}")
    assert process.wait(30) == 2
    assert "did not say which revision" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
