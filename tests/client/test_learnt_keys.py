"""What a run learns of a portal's keys is said to programs as to people, once, and also when a file is bad."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from tests.client import released
from tests.client.test_get import README, Near
from tests.client.test_vouches import KEYS, PEMS, vouch
from weighbridge_client import errors, home, portal
from weighbridge_client.cli import main

FORMER, PRESENT = 0, 1
PRINTS = [released.sha(pem.encode()) for pem in PEMS]


class Signed(Near):
    """A portal that signs by its present key, for which the former one vouches."""

    def document(self, model: str, revision: str, name: str, query: str = "") -> bytes:
        if name == "model.sig" and query == f"?key={PRINTS[PRESENT]}":
            return released.signed(json.loads(self.release), KEYS[PRESENT])
        return super().document(model, revision, name, query)

    def vouches(self) -> Any:
        return {"vouches": [vouch(FORMER, PRESENT)]}

    def key(self) -> str:  # type: ignore[override]  # this one has a key
        return PEMS[PRESENT]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> Any:
    """Runs `get` against such a portal: its exit status, and what it printed."""

    def once(*more: str, near: Near | None = None) -> tuple[int, str]:
        at = near or Signed({"README.md": README})
        monkeypatch.setattr(portal, "Portal", lambda *_of, **_more: at)
        folder = str(tmp_path / "small")
        status = main(["get", "lyceum/small", "--portal", Near.address, "--to", folder, "--quiet", *more])
        out = capsys.readouterr()
        return status, out.out + out.err

    return once


def know(number: int) -> None:
    home.write(home.key_file(Near.address), PEMS[number].encode(), mode=0o644)


def test_a_program_is_told_once_which_key_a_known_one_vouched_for(run: Any) -> None:
    know(FORMER)
    status, out = run("--json")
    told = json.loads(out)
    assert status == 0
    assert told["signature"]["key"] == PRINTS[PRESENT]
    assert (told["signature"]["vouched"], told["signature"]["new_key"]) == ([PRINTS[PRESENT]], False)
    assert json.loads(run("--json")[1])["signature"]["vouched"] == []


def test_a_program_is_told_once_that_a_key_was_taken_on_trust(run: Any) -> None:
    told = json.loads(run("--json")[1])
    assert (told["signature"]["vouched"], told["signature"]["new_key"]) == ([], True)
    assert json.loads(run("--json")[1])["signature"]["new_key"] is False


def test_whose_portal_has_the_key_that_is_known_reads_of_no_other(run: Any) -> None:
    know(PRESENT)
    status, out = run()
    assert status == 0
    assert "key" in out
    assert "exchanged" not in out
    assert "new here" not in out


@pytest.mark.parametrize(("known", "words"), [(FORMER, "has exchanged its key"), (None, "was new here")])
def test_a_bad_file_does_not_hide_what_was_learnt_of_keys(run: Any, known: int | None, words: str) -> None:
    """The key is kept in that run, so that no later one would say it."""
    if known is not None:
        know(known)
    bad = Signed({"README.md": README})
    bad.files["README.md"] = README[::-1]
    status, out = run(near=bad)
    assert status == errors.BAD
    assert words in out
    assert words not in run()[1]


class Refusing(Signed):
    """One that says who one is has no right to the files."""

    def link(self, _model: str, _commit: str, _path: str, _wanted: str) -> portal.Link:
        raise errors.Refused("You have no access to it. Apply for it.")


class Broken(Signed):
    """One whose reader has had enough of it."""

    def link(self, _model: str, _commit: str, _path: str, _wanted: str) -> portal.Link:
        raise KeyboardInterrupt


class Full(Signed):
    """One whose documents no longer fit on the disk."""

    def document(self, model: str, revision: str, name: str, query: str = "") -> bytes:
        if name == "tensors.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().document(model, revision, name, query)


@pytest.mark.parametrize(("known", "words"), [(FORMER, "has exchanged its key"), (None, "was new here")])
@pytest.mark.parametrize(
    ("portal_of", "status", "first"),
    [
        (Refusing, errors.REFUSED, "You have no access to it."),
        (Broken, errors.INTERRUPTED, "Stopped."),
        (Full, errors.USAGE, "No space left on device"),
    ],
)
def test_a_run_that_ends_after_it_kept_a_key_says_so_to_people_and_programs(
    run: Any, tmp_path: Path, known: int | None, words: str, portal_of: type[Signed], status: int, first: str
) -> None:
    """A later run would not say it."""
    more = {"tensors": {"count": 1, "elements": 1, "root": "ab" * 32}} if portal_of is Full else {}
    for form in ([], ["--json"]):
        home.key_file(Near.address).unlink(missing_ok=True)
        if known is not None:
            know(known)
        ended, out = run(*form, near=portal_of({"README.md": README}, **more))
        assert ended == status
        assert first in out
        assert words in out
    told = json.loads(out)
    assert (told["ok"], told["signature"]["key"], told["signature"]["of"]) == (False, None, Near.address)
    assert told["signature"]["vouched"] == ([] if known is None else [PRINTS[PRESENT]])
    assert told["signature"]["new_key"] is (known is None)
    again = json.loads(run("--json", near=portal_of({"README.md": README}, **more))[1])
    assert words not in again["sentence"]
    assert "signature" not in again, "it learnt nothing"


def test_a_key_that_was_kept_and_signed_nothing_is_told_of_with_and_without_a_signature(run: Any) -> None:
    class Elsewhere(Signed):
        """A portal whose key signed another release."""

        def document(self, _model: str, _revision: str, _name: str, _query: str = "") -> bytes:
            raise errors.Refused("There is none.")

    status, out = run(near=Elsewhere({"README.md": README}))
    assert (status, "was new here" in out) == (errors.UNPROVEN, True)
    home.key_file(Near.address).unlink()
    status, out = run("--unsigned", near=Elsewhere({"README.md": README}))
    assert (status, "was new here" in out) == (0, True)
    assert "was new here" not in run("--unsigned", near=Elsewhere({"README.md": README}))[1]


def test_whose_key_nobody_vouches_for_is_told_of_none_that_was_kept(run: Any) -> None:
    class Alone(Signed):
        """Nobody vouches for the key of this one."""

        def vouches(self) -> Any:
            return {"vouches": []}

    know(FORMER)
    status, out = run("--json", near=Alone({"README.md": README}))
    told = json.loads(out)
    assert (status, "signature" in told, "exchanged" in told["sentence"]) == (errors.UNPROVEN, False, False)
    assert home.key_file(Near.address).read_text() == PEMS[FORMER]
