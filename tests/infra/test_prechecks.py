"""What stops a start, and whether the sentence names the way out."""

import os
import socket
import time
from pathlib import Path

import pytest

from infra.embedded import prechecks
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Problem) as found:
            prechecks.port_is_free("127.0.0.1", port, "demo")
    assert str(port) in found.value.sentence
    assert f"PORT={port + 1}" in found.value.step


def test_a_free_port_passes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    prechecks.port_is_free("127.0.0.1", port, "demo")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Problem, match=r"192\.0\.2\.1"):
        prechecks.port_is_free("192.0.2.1", 0, "demo")


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="MiB free") as found:
        prechecks.free_space(tmp_path, least=2**60)
    assert "WEIGHBRIDGE_HOME" in found.value.step


def test_a_home_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(Problem, match="cannot be written") as found:
        prechecks.writable(Home(tmp_path / "home"))
    assert "WEIGHBRIDGE_HOME" in found.value.step


@pytest.mark.parametrize(("first", "second"), [("demo", "serve"), ("serve", "demo")])
def test_neither_mode_runs_over_the_others_home(tmp_path: Path, first: str, second: str) -> None:
    home = Home(tmp_path / "home")
    home.prepare(first)
    prechecks.right_mode(home, first)
    with pytest.raises(Problem, match=f"belongs to `make {first}`"):
        prechecks.right_mode(home, second)


def test_an_unknown_python_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prechecks, "PYTHONS", ((2, 7),))
    with pytest.raises(Problem, match=r"2\.7"):
        prechecks.python()


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prechecks, "_PACKAGES", ("django", "no_such_package"))
    with pytest.raises(Problem, match="lacks no_such_package") as found:
        prechecks.packages()
    assert "make setup" in found.value.step


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare("demo")
    files = sorted((home.path / "secrets").iterdir())
    first = [file.read_text() for file in files]
    home.prepare("demo")
    assert [file.read_text() for file in files] == first
    assert len(set(first)) == len(first)
    assert all(len(secret) >= 43 for secret in first)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_long_home_gets_a_short_directory_for_sockets(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 120))
    assert len(os.fsencode(home.run / "postgres" / ".s.PGSQL.5432")) <= 100
    assert Home(tmp_path / ("x" * 119)).run != home.run


def test_a_socket_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 120))
    home.run.symlink_to(tmp_path)
    try:
        with pytest.raises(Problem, match="not a directory of ours"):
            home.prepare_sockets()
    finally:
        home.run.unlink()


def test_the_lock_tells_who_holds_it_and_is_gone_with_its_holder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lock = Lock(home)
    assert lock.holder() is None
    child = os.fork()
    if child == 0:  # pragma: no cover
        lock.take(url="http://127.0.0.1:1")
        time.sleep(60)
        os._exit(0)
    try:
        end = time.monotonic() + 5
        while not lock.holder() and time.monotonic() < end:
            time.sleep(0.01)
        assert lock.holder() == {"pid": child, "url": "http://127.0.0.1:1"}
        with pytest.raises(Problem, match=f"already running .process {child}"):
            Lock(home).take()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert lock.holder() is None
