"""`weighbridge get` against a portal that lives in this process: odd releases, odd folders, and machines that refuse."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3 import HTTPResponse

from tests.client import released
from weighbridge_client import errors, fetching, getting, home, portal, trust, verifying
from weighbridge_client.cli import main

README = b"# Small\n" * 2


class Answer(io.BytesIO):
    """The bytes of a range, as urllib3 hands them out."""

    def __init__(self, content: bytes, at: int, end: int, size: int) -> None:
        super().__init__(content)
        self.headers = {"Content-Range": f"bytes {at}-{end - 1}/{size}"}

    def read(self, size: int = -1, **_how: Any) -> bytes:
        return super().read(size)


class Near:
    """A portal with one release, unsigned, whose files lie in a dictionary."""

    address = "https://models.lyceum.example"

    def __init__(self, files: dict[str, bytes], **more: Any) -> None:
        listed = [{"path": path, "size": len(raw), "sha256": released.sha(raw)} for path, raw in files.items()]
        told = {"schema": "weighbridge.release/1", "model": "lyceum/small", "commit": "1" * 40, "files": listed}
        self.files, self.asked = files, list[str]()
        self.release = released.canonical(told | {"tensors": None} | more)

    withdrawn = ""

    def released(self, _model: str, _revision: str) -> tuple[bytes, str]:
        return self.release, self.withdrawn

    def document(self, _model: str, _revision: str, _name: str, _query: str = "") -> bytes:
        raise errors.Refused("There is none.")

    def key(self) -> None:
        return None

    def link(self, _model: str, _commit: str, path: str, _wanted: str) -> portal.Link:
        self.asked.append(path)
        return portal.Link(path)

    def opened(self, link: portal.Link, wanted: str) -> Answer:
        at, last = map(int, re.findall(r"\d+", wanted))
        whole = self.files[link.url]
        return Answer(whole[at : last + 1], at, last + 1, len(whole))


def get(near: Near, folder: Path) -> getting.Got:
    wish = getting.Wish("lyceum/small", "main", folder, unsigned=True, quiet=True)
    return getting.get(near, wish, trust.Learnt())  # type: ignore[arg-type]  # it answers as a Portal does


def verified(folder: Path) -> list[str]:
    verdict = verifying.verify(verifying.Question(folder, unsigned=True))
    return [fault.sentence for fault in verdict.faults]


def test_files_of_one_content_come_once_and_all_of_them_are_there(tmp_path: Path) -> None:
    files = {"LICENSE": README, "a/LICENSE": README, "b/LICENSE": README, "c/other": README + b"x", "d/LICENSE": README}
    near = Near(files)
    got = get(near, tmp_path)
    assert sorted(got.fetched) == sorted(files)
    assert {path: (tmp_path / path).read_bytes() for path in files} == files
    assert sorted(near.asked) == ["LICENSE", "c/other"]
    (tmp_path / "b/LICENSE").unlink()
    assert get(near, tmp_path).fetched == ["b/LICENSE"]
    assert verified(tmp_path) == []


def test_one_content_of_two_sizes_is_no_release(tmp_path: Path) -> None:
    near = Near({"a": README, "b": README})
    near.release = b'"size":17'.join(near.release.rsplit(b'"size":16', 1))
    with pytest.raises(errors.Bad, match="two sizes"):
        get(near, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_of_another_release_is_not_left_for_ever(tmp_path: Path) -> None:
    parts = tmp_path / ".weighbridge" / "parts"
    parts.mkdir(parents=True)
    here = released.sha(README)
    for name in (f"{'0' * 64}.part", f"{'0' * 64}.json", f".{here}.json.77", f"{here}.part", f"{here}.copy"):
        (parts / name).write_bytes(b"torn")
    (tmp_path / "README.md").write_bytes(README)
    assert get(Near({"README.md": README}), tmp_path).present == ["README.md"]
    assert verified(tmp_path) == []


def test_what_a_killed_run_left_of_this_release_is_kept(tmp_path: Path) -> None:
    whole = bytes(range(256)) * (40 << 10)
    near = Near({"weights": whole})
    got = getting.documents.release(near.release)
    parts = tmp_path / ".weighbridge" / "parts"
    parts.mkdir(parents=True)
    first = getting.Arriving(got.files[0], parts)
    first.open()
    first.write(0, whole[: first.span(0)[1]])
    first.finish(0)
    first.close()
    assert get(near, tmp_path).fetched == ["weights"]
    assert near.asked == ["weights"], "the second part alone"
    assert (tmp_path / "weights").read_bytes() == whole


@pytest.mark.parametrize("place", ["", "lock"])
def test_a_folder_from_a_stranger_leads_no_byte_elsewhere(tmp_path: Path, place: str) -> None:
    folder, own = tmp_path / "small", tmp_path / "own"
    parts = folder / ".weighbridge" / "parts"
    (parts if place else parts.parent).mkdir(parents=True)
    own.mkdir()
    (own / "lock").write_text("mine")
    (parts / place if place else parts).symlink_to(own / place)
    with pytest.raises(errors.Bad, match="is a link"):
        get(Near({"README.md": README}), folder)
    assert [(path.name, path.read_text()) for path in own.iterdir()] == [("lock", "mine")]


def test_a_part_that_a_stranger_made_a_link_is_none(tmp_path: Path) -> None:
    parts, mine = tmp_path / "small" / ".weighbridge" / "parts", tmp_path / "mine"
    parts.mkdir(parents=True)
    mine.write_text("mine")
    (parts / f"{released.sha(README)}.part").symlink_to(mine)
    assert get(Near({"README.md": README}), tmp_path / "small").fetched == ["README.md"]
    assert mine.read_text() == "mine"
    assert verified(tmp_path / "small") == []


def run(near: Near, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(portal, "Portal", lambda *_of, **_more: near)
    status = main(["get", "lyceum/small", "--portal", near.address, "--to", str(folder), "--unsigned", "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def full(path: Path, *_of: Any, **_more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(home, "write", full)
    status, told = run(Near({"README.md": README}), tmp_path, monkeypatch, capsys)
    assert (status, told["status"]) == (errors.USAGE, errors.USAGE)
    assert "No space left on device. Make room, and run it again" in told["sentence"]


def test_who_fetches_what_was_withdrawn_or_what_takes_a_newer_ones_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run(Near({"README.md": README}, commit="2" * 40), tmp_path, monkeypatch, capsys)
    older = Near({"README.md": README})
    status, told = run(older, tmp_path, monkeypatch, capsys)
    assert (status, told["before"], told["withdrawn"]) == (0, "2" * 40, None)
    assert told["sentence"].endswith("It took the place of 222222222222.")
    older.withdrawn = "2026-11-28T03:17:10+00:00"
    status, told = run(older, tmp_path, monkeypatch, capsys)
    assert (status, told["before"], told["withdrawn"]) == (0, None, older.withdrawn)
    page = f"{older.address}/lyceum/small/tree/{'1' * 40}"
    assert told["sentence"].endswith(f"\nThis release was withdrawn on 2026-11-28: {page} says why.")


@pytest.mark.parametrize(("given", "told"), [("wb_dl_old", "Unset HF_TOKEN, and log in"), ("", "Log in with")])
def test_whose_token_is_not_known_is_told_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, given: str, told: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", given)
    asked = portal.Portal(Near.address)
    refused = {"X-Error-Message": "This token is not known."}
    monkeypatch.setattr(asked, "_send", lambda *_of, **_more: HTTPResponse(io.BytesIO(b""), refused, status=401))
    with pytest.raises(errors.Refused, match=told):
        asked.link("lyceum/small", "1" * 40, "README.md", "bytes=0-1")


def test_room_that_another_files_part_takes_is_no_room_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = Near({"big": bytes(1 << 20), "README.md": README})
    parts = tmp_path / ".weighbridge" / "parts"
    parts.mkdir(parents=True)
    (parts / f"{released.sha(near.files['big'])}.part").write_bytes(b"x" * (1 << 20))
    monkeypatch.setattr(getting.shutil, "disk_usage", lambda _of: shutil._ntuple_diskusage(100, 90, 10))
    wish = getting.Wish("lyceum/small", "main", tmp_path, include=["README.md"], unsigned=True, quiet=True)
    with pytest.raises(errors.Usage, match="16 bytes are needed"):
        getting.get(near, wish, trust.Learnt())  # type: ignore[arg-type]  # it answers as a Portal does
    monkeypatch.setattr(getting.shutil, "disk_usage", lambda _of: shutil._ntuple_diskusage(100, 84, 16))
    assert getting.get(near, wish, trust.Learnt()).fetched == ["README.md"]  # type: ignore[arg-type]


def test_a_name_that_this_system_cannot_write_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    status, told = run(Near({"x" * 300: README}), tmp_path, monkeypatch, capsys)
    assert status == errors.USAGE
    assert "File name too long" in told["sentence"]


@pytest.mark.parametrize("shape", ["[Infinity]", "[1e999]"])
def test_a_tensor_without_a_length_is_told_in_a_sentence(tmp_path: Path, shape: str) -> None:
    near = Near({"README.md": README}, tensors={"root": "1" * 64})
    told = f'{{"root":"{"1" * 64}","schema":"weighbridge.tensors/1","tensors":[{{"dtype":"F32","file":"a","name":"a","sha256":"{"0" * 64}","shape":{shape}}}]}}'
    with pytest.raises(errors.Bad, match=r"tensors\.json is damaged"):
        getting.documents.tensor_list(told.encode(), getting.documents.release(near.release))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("said", [{"Retry-After": "\xb2"}, {"RateLimit": '"api";r=0;t=\xb2'}])
def test_a_wait_that_is_no_number_is_none(said: dict[str, str]) -> None:
    assert portal._after(HTTPResponse(headers=said)) == 0
    assert portal._after(HTTPResponse(headers={"Retry-After": "7"})) == 7


class Later(Near):
    """A portal that asks to wait so many seconds, as often as it is told to, before it gives a link."""

    def __init__(self, seconds: int, times: int = 10**9, *, limited: bool = True) -> None:
        super().__init__({"README.md": README})
        self.seconds, self.times, self.limited = seconds, times, limited

    def link(self, model: str, commit: str, path: str, wanted: str) -> portal.Link:
        if len(self.asked) >= self.times:
            return super().link(model, commit, path, wanted)
        self.asked.append(path)
        said = HTTPResponse(headers={"Retry-After": str(self.seconds)})
        raise portal.Later("The grant’s daily cap of 1 GB is reached.", portal._after(said), limited=self.limited)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a run would have waited between its tries."""
    seconds: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            seconds.append(timeout or 0)
            return self.is_set()

    shown = SimpleNamespace(Event=Stop, Lock=threading.Lock, Thread=threading.Thread)
    monkeypatch.setattr(fetching, "threading", shown)
    return seconds


@pytest.mark.parametrize(("limited", "ends"), [(True, errors.REFUSED), (False, errors.UNREACHABLE)])
def test_a_cap_of_a_day_is_told_at_once_and_so_is_a_portal_that_is_away_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, waited: list[float], limited: bool, ends: int
) -> None:
    near = Later(86_400, limited=limited)
    status, told = run(near, tmp_path, monkeypatch, capsys)
    assert (status, len(near.asked), waited) == (ends, 1, [])
    assert told["sentence"] == "The grant’s daily cap of 1 GB is reached. What is here is kept; run it again then."


def test_a_rate_of_some_minutes_is_waited_for_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, waited: list[float]
) -> None:
    monkeypatch.setattr(portal, "Portal", lambda *_of, **_more: Later(300, times=1))
    assert main(["get", "lyceum/small", "--portal", Near.address, "--to", str(tmp_path), "--unsigned"]) == 0
    assert waited == [300]
    assert "daily cap of 1 GB is reached. Goes on in 5:00." in capsys.readouterr().err


def test_a_redirect_to_what_is_no_address_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def leads(*_of: Any, **_more: Any) -> HTTPResponse:
        return HTTPResponse(io.BytesIO(b"."), {"Location": "http://[half"}, 302, preload_content=False)

    asked = portal.Portal(Near.address)
    monkeypatch.setattr(asked, "_send", leads)
    with pytest.raises(errors.Bad, match="no address"):
        asked.link("lyceum/small", "1" * 40, "README.md", "bytes=0-1")
    with pytest.raises(errors.Bad, match="no address"):
        asked.document("lyceum/small", "main", "release.json")


@pytest.mark.parametrize(
    ("onward", "told"),
    [
        ("https://models.lyceum.example/lyceum/x", "leads on to https://models.lyceum.example. Name that one"),
        ("http://models.lyceum.example/account/login/?next=/", "nothing public"),
    ],
)
def test_a_portal_that_has_moved_is_named_and_one_that_asks_who_one_is_is_not(
    monkeypatch: pytest.MonkeyPatch, onward: str, told: str
) -> None:
    def leads(*_of: Any, **_more: Any) -> HTTPResponse:
        return HTTPResponse(io.BytesIO(b"."), {"Location": onward}, 301, preload_content=False)

    asked = portal.Portal("http://models.lyceum.example")
    monkeypatch.setattr(asked, "_send", leads)
    with pytest.raises(errors.Refused, match=told):
        asked.document("lyceum/small", "main", "release.json")


@pytest.mark.parametrize("name", [b"d\xe9j\xe0", "déjà".encode()])
def test_a_folder_whose_name_no_terminal_can_write_is_told_all_the_same(tmp_path: Path, name: bytes) -> None:
    copy = released.build(tmp_path)
    folder = copy.folder.rename(tmp_path / os.fsdecode(name))
    shell = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(errors.__file__).parents[1])}
    for more in ([f"--key={copy.key.rename(folder.with_suffix('.pem'))}"], ["--help"]):
        command = [sys.executable, "-m", "weighbridge_client", "verify", os.fspath(folder), *more]
        ran = subprocess.run(command, env=shell, capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
