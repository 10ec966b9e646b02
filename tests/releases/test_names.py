"""Names that a release may carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from releases import names

BAD = [
    "", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/.", "a/", "C:\\x", "a\\b", "a\0b", "a\nb", "a\r\nX: y", "\u202egnp.exe",
    "e\u0301", "a:b", 'a"b', "a*", "a?", "a|b", "con", "CON.txt", "lpt1.md", "a/nul.json", "trailing.", "trailing ", " leading",
    ".git/config", ".gitattributes", "a/.hidden", "x" * 256, "/".join(["y" * 200] * 6), "\ud800", "a\u2028b", "zero\u200bwidth",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD)
def test_unsafe_paths_are_refused(path: str) -> None:
    with pytest.raises(Invalid):
        names.check_path(path)


@pytest.mark.parametrize(
    "path",
    ["config.json", "a b.txt", "ünï/ç é.md", "a#b", "100%.txt", "a+b&c=d;e,f", "日本語.json", "x" * 255, "a/b/c/d/e"],
)
def test_odd_but_safe_paths_pass(path: str) -> None:
    names.check_path(path)


@given(st.text(max_size=40))
def test_what_passes_cannot_leave_its_folder(path: str) -> None:
    if not names.path_fault(path):
        parts = path.split("/")
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(parts)
        assert path.isprintable()


@pytest.mark.parametrize("paths", [["A.txt", "a.txt"], ["ß/x", "SS/x"], ["a", "a/b"], ["A", "a/b"]])
def test_twins_are_refused(paths: list[str]) -> None:
    with pytest.raises(Invalid):
        names.check_paths(paths)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a..b", "a/b", "a b", "ä", "a.git", "x" * 97, "a\0"])
def test_bad_model_names(name: str) -> None:
    with pytest.raises(Invalid):
        names.check_model_name(name)


@pytest.mark.parametrize("name", ["a", "pico-opt-1m", "OPT_2.7B", "x" * 96])
def test_good_model_names(name: str) -> None:
    names.check_model_name(name)
