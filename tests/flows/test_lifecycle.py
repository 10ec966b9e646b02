"""`make demo` from its first start to its last: what it promises about starting, stopping and being killed."""

import http.client
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.stack import ROOT, Stack, clean_environment, free_port, keep, launch, loaded, processes_of, temporary_home

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A stack of this module's own, started by its first test; each test leaves it as the next expects it."""
    stack = Stack(temporary_home(), free_port())
    try:
        yield stack
    finally:
        if stack.process is not None:
            stack.stop()
        keep(stack)
        shutil.rmtree(stack.home.parent, ignore_errors=True)


def _gone(stack: Stack, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while left := processes_of(stack.home):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def _ask(stack: Stack, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _command(stack: Stack, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.embedded", name]
    return subprocess.run(command, env=stack.environment, cwd=ROOT, capture_output=True, text=True, timeout=90)


def test_a_fresh_home_comes_up_and_writes_demo_json(own: Stack) -> None:
    own.start()
    demo = own.demo
    assert stat.S_IMODE((own.home / "demo.json").stat().st_mode) == 0o600
    assert list(demo) == ["base_url", "users", "tokens", "models", "engine"]
    assert demo["base_url"] == own.base_url
    assert all(set(user) == {"email", "password", "role"} and len(user["password"]) >= 12 for user in demo["users"])
    assert {"manager", "reviewer", "researcher", "stranger"} <= {user["role"] for user in demo["users"]}
    assert list(demo["tokens"]) == ["download", "query", "publish", "review", "manage"]
    assert {model["gated"] for model in demo["models"]} == {True, False}
    assert demo["engine"] is None


def test_the_screen_says_where_to_click_what_to_paste_and_what_is_missing(own: Stack) -> None:
    assert f"{own.base_url}/ " in own.output
    assert f"HF_ENDPOINT={own.base_url} HF_TOKEN={own.demo['tokens']['download']}" in own.output
    assert sum(own.base_url in line for line in own.output.splitlines() if line.startswith("  ")) >= 5
    assert "Without an engine" in own.output
    assert all(user["password"] in own.output for user in own.demo["users"])


@pytest.mark.parametrize("path", ["/internal/ready", "/internal/introspect", "/internal/metrics", "/metrics"])
def test_what_is_private_does_not_exist_on_the_public_port(own: Stack, path: str) -> None:
    assert _ask(own, path)[0] == 404


@pytest.mark.parametrize("path", ["/", "/health", "/account/login/", "/mailbox/"])
def test_the_public_port_serves_every_part(own: Stack, path: str) -> None:
    assert _ask(own, path)[0] == 200


def test_status_says_that_it_is_ready(own: Stack) -> None:
    found = _command(own, "status")
    assert (found.returncode, "demo is ready at " + own.base_url in found.stdout) == (0, True)


def test_a_second_start_in_the_same_home_is_refused(own: Stack) -> None:
    found = _command(own, "demo")
    assert found.returncode == 1
    assert f"already running (process {own.process.pid if own.process else 0}, {own.base_url})" in found.stderr


def test_another_home_on_the_same_port_is_told_the_port(own: Stack) -> None:
    other = Stack(own.home.parent / "other", own.port)
    found = _command(other, "demo")
    assert found.returncode == 1
    assert f"Port {own.port} on 127.0.0.1 is in use" in found.stderr
    assert f"PORT={own.port + 1} make demo" in found.stderr
    assert not processes_of(other.home)


def test_a_process_that_dies_is_started_again(own: Stack) -> None:
    before = {pid for pid, command in processes_of(own.home).items() if "manage.py relay" in command}
    assert len(before) == 1
    subprocess.run(["kill", "-9", str(before.pop())], check=True)
    end = time.monotonic() + 20
    while not any("manage.py relay" in command for command in processes_of(own.home).values()):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_interrupting_stops_everything(own: Stack) -> None:
    assert own.stop(signal.SIGINT) == 0
    assert not processes_of(own.home)
    assert _command(own, "status").returncode == 3


def test_serve_refuses_the_demos_home(own: Stack) -> None:
    found = _command(own, "serve")
    assert found.returncode == 1
    assert "belongs to `make demo`" in found.stderr


def test_the_second_start_is_quick_and_keeps_everything(own: Stack) -> None:
    before = own.demo
    began = time.monotonic()
    own.start()
    took = time.monotonic() - began
    assert own.demo == before
    assert "database is up to date" not in own.output
    assert "demo lab is filled" not in own.output
    assert took <= 15 or loaded(), f"{took:.1f} s"


def test_killing_the_supervisor_leaves_nothing_and_loses_nothing(own: Stack) -> None:
    before = own.demo
    own.stop(signal.SIGKILL)
    _gone(own)
    own.start()
    assert own.demo == before
    assert _ask(own, "/")[0] == 200


def test_stop_ends_it_from_another_terminal(own: Stack) -> None:
    found = _command(own, "stop")
    assert (found.returncode, found.stdout.strip()) == (0, "Stopped.")
    assert own.process is not None
    assert own.process.wait(30) == 0
    _gone(own)


def test_interrupting_an_early_start_leaves_nothing(own: Stack) -> None:
    process = launch("demo", own.environment, own.screen)
    while not own.output:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    _gone(own)


def test_make_demo_says_what_is_wrong_with_the_home() -> None:
    env = clean_environment(WEIGHBRIDGE_HOME="/proc/nowhere", ENGINE="none", PORT=str(free_port()))
    command = [sys.executable, "-m", "infra.embedded", "demo"]
    found = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "cannot be written" in found.stderr
    assert "Traceback" not in found.stderr
