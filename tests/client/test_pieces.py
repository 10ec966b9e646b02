"""The client's own rules: names that may be written, where things are kept, parts that come in any order."""

from __future__ import annotations

import hashlib
import random
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client import released
from weighbridge_client import errors, home, names, tensors
from weighbridge_client.cli import main
from weighbridge_client.documents import File
from weighbridge_client.login import login
from weighbridge_client.parts import Arriving
from weighbridge_client.portal import Later, Portal

UNSAFE = [
    "", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", "./a", "C:\\x", "c:x", "\\\\host\\x", "a\\b", "a\0b", "a\nb",
    "con", "aux.txt", "x/NUL", "a.", " a", "a ", ".git/config", ".GIT/hooks/x", ".weighbridge/release.json", "x" * 1025,
    "a\u202eb", "a\ufeff", "a:b", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE)
def test_a_name_that_leads_elsewhere_is_refused(path):
    with pytest.raises(errors.Bad):
        names.require_safe(["README.md", path])


@pytest.mark.parametrize(
    "path", ["README.md", "a/b/c.json", ".gitattributes", "über/ß.txt", "sub dir/x y.bin", "a#%.x"]
)
def test_an_odd_name_that_stays_inside_is_taken(path, tmp_path):
    names.require_safe([path])
    assert names.inside(tmp_path, path).is_relative_to(tmp_path)


@pytest.mark.parametrize("pair", [("a.txt", "A.TXT"), ("é", "e\u0301"), ("ß", "ss"), ("a", "a/b"), ("x/A", "x/a")])
def test_two_names_that_one_system_takes_for_one_are_refused(pair):
    with pytest.raises(errors.Bad):
        names.require_safe(pair)


@given(st.text(max_size=30))
def test_what_is_let_through_stays_below_the_folder(path):
    try:
        names.require_safe([path])
    except errors.Bad:
        return
    assert not path.startswith("/")
    assert all(part not in ("", ".", "..") for part in path.split("/"))


def test_a_link_on_the_way_is_refused(tmp_path):
    (tmp_path / "folder").symlink_to("/tmp")
    with pytest.raises(errors.Bad):
        names.inside(tmp_path, "folder/x")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100])
def test_the_root_is_that_of_rfc_6962(count):
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(count)]
    assert tensors.root(leaves) == released.merkle(leaves).hex()


def test_the_token_is_where_hf_reads_it_and_for_its_owner_alone(tmp_path):
    path = home.store_token("wb_dl_x")
    assert path == tmp_path / "cache" / "huggingface" / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert home.token() == "wb_dl_x"


def test_the_token_of_another_hub_is_neither_sent_nor_written_over(capsys):
    home.store_token("hf_somebody")
    assert home.token() == ""
    assert main(["login", "--portal", "http://127.0.0.1:9"]) == errors.USAGE
    assert "token of another hub" in capsys.readouterr().err
    assert home.stored_token() == "hf_somebody"


@pytest.mark.parametrize("address", ["", "models.example.org", "ftp://x", "https://", "https://u:p@x", "https://x?y"])
def test_a_portal_has_an_address(address, capsys):
    assert main(["get", "lyceum/small", "--portal", address]) == errors.USAGE
    assert capsys.readouterr().err


def test_nobody_there_is_said_with_the_address(capsys):
    assert main(["get", "lyceum/small", "--portal", "http://127.0.0.1:9"]) == errors.UNREACHABLE
    said = capsys.readouterr().err
    assert (
        said
        == "http://127.0.0.1:9 cannot be reached: Connection refused. See that the address is right, and run it again.\n"
    )


@pytest.mark.parametrize("setting", ["HF_HOME", "HF_TOKEN_PATH", "XDG_CONFIG_HOME"])
def test_who_could_not_keep_a_token_is_told_before_anybody_is_asked_to_approve(tmp_path, monkeypatch, capsys, setting):
    """Asked first, the portal would have made a token that is in nobody's hands."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(setting, str(tmp_path / ("taken" if setting == "HF_TOKEN_PATH" else "file/below")))
    assert main(["login", "--portal", "http://127.0.0.1:9"]) == errors.USAGE
    said = capsys.readouterr().err
    assert f"Set {setting} to a place of your own" in said
    monkeypatch.delenv(setting)
    assert main(["login", "--portal", "http://127.0.0.1:9"]) == errors.UNREACHABLE
    assert [path.name for path in tmp_path.rglob("*") if path.name.endswith("trial")] == []


def whole(size: int, seed: int = 1) -> tuple[bytes, File]:
    raw = random.Random(seed).randbytes(size)
    return raw, File("x.bin", size, hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1, 20_000_000])
def test_parts_come_in_any_order_and_the_digest_follows(tmp_path, size):
    raw, file = whole(size)
    arriving = Arriving(file, tmp_path)
    arriving.open()
    numbers = arriving.missing()
    random.Random(2).shuffle(numbers)
    ended = []
    for number in numbers:
        start, end = arriving.span(number)
        arriving.write(start, raw[start:end])
        ended.append(arriving.finish(number))
    assert ended.count(True) == (1 if numbers else 0)
    assert arriving.digest() == file.sha256
    arriving.move_to(tmp_path / "in" / "x.bin")
    assert hashlib.sha256((tmp_path / "in" / "x.bin").read_bytes()).hexdigest() == file.sha256
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_a_later_run_asks_only_for_what_is_missing_and_a_torn_state_begins_anew(tmp_path):
    raw, file = whole(20_000_000)
    first = Arriving(file, tmp_path)
    first.open()
    start, end = first.span(1)
    first.write(start, raw[start:end])
    first.finish(1)
    second = Arriving(file, tmp_path)
    second.open()
    assert (second.missing(), second.resumed) == ([0, 2], True)
    (tmp_path / f"{file.sha256}.json").write_text('{"size": 2')
    third = Arriving(file, tmp_path)
    third.open()
    assert (third.missing(), third.resumed) == ([0, 1, 2], False)


def test_threads_that_finish_together_end_a_file_once(tmp_path):
    raw, file = whole(60_000_000)
    arriving = Arriving(file, tmp_path)
    arriving.open()
    ended, start = [], threading.Barrier(arriving.count)

    def finish(number: int) -> None:
        at, end = arriving.span(number)
        arriving.write(at, raw[at:end])
        start.wait()
        ended.append(arriving.finish(number))

    threads = [threading.Thread(target=finish, args=(number,)) for number in arriving.missing()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count(True) == 1
    assert arriving.digest() == file.sha256


@pytest.mark.parametrize("pasted", ["wb_dl_abc…", "wb_dl_abc wb_dl_abc", "wb_dl_a\nb", "wb_dl_abc”"])
def test_a_token_that_was_pasted_wrongly_is_told_in_a_sentence_that_does_not_hold_it(monkeypatch, pasted):
    monkeypatch.setenv("HF_TOKEN", pasted)
    with pytest.raises(errors.Usage, match="HF_TOKEN") as refused:
        Portal("http://127.0.0.1:9").link("lyceum/small", "1" * 40, "README.md", "bytes=0-1")
    assert pasted not in refused.value.sentence


@pytest.mark.parametrize("whole", ["wb_dl_abc", ""])
def test_a_token_as_the_portal_gives_it_is_sent(monkeypatch, whole):
    monkeypatch.setenv("HF_TOKEN", whole)
    with pytest.raises(Later):
        Portal("http://127.0.0.1:9").link("lyceum/small", "1" * 40, "README.md", "bytes=0-1")


@pytest.mark.parametrize("given", ["hf_somebody", ""])
def test_who_logs_in_where_the_environment_has_a_token_is_told_that_it_goes_first(monkeypatch, given):
    monkeypatch.setenv("HF_TOKEN", given)
    said: list[str] = []
    with pytest.raises(errors.Unreachable):
        login(Portal("http://127.0.0.1:9"), said.append)
    assert any("HF_TOKEN" in line for line in said) == bool(given)
