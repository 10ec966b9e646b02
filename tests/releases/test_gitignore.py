"""What a publisher's `.gitignore` leaves out, and what it cannot do to us."""

from __future__ import annotations

import time

import pytest

from portal.errors import Invalid
from releases.hub import gitignore


@pytest.mark.parametrize(
    ("lines", "left_out", "kept"),
    [
        ("*.pyc\n", "a/b.pyc", "a/b.py"),
        ("*.bin\n!model.bin\n", "a.bin", "model.bin"),
        ("/build/\n", "build/x", "a/build/x"),
        ("**/cache/*\n", "a/cache/x", "a/x"),
        ("run[0-9].txt\n", "run1.txt", "runs.txt"),
        ("größe*\n", "größe.txt", "grosse.txt"),
    ],
)
def test_it_is_read_as_git_reads_it(lines: str, left_out: str, kept: str) -> None:
    read = gitignore.read(lines)
    assert (read.match_file(left_out), read.match_file(kept)) == (True, False)


@pytest.mark.parametrize("line", ["!", "a\\", "[z-a]", "[[:none:]]", "x" * 100_000, "\0", "\ud800"])
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")  # what Python says of it on the way
def test_a_line_that_is_no_pattern_is_passed_over(line: str) -> None:
    read = gitignore.read(f"{line}\n*.pyc\n")
    assert (read.match_file("a.pyc"), read.match_file("a.py")) == (True, False)


def test_no_line_takes_long() -> None:
    begun = time.process_time()
    read = gitignore.read("*" + "a*" * 12 + "b")
    assert not any(read.match_file("a" * length) for length in range(1, 200))
    assert time.process_time() - begun < 5, "by expressions that go back it takes minutes"


def test_more_lines_than_can_be_matched_are_told_so() -> None:
    assert gitignore.read("\n".join(f"*.ext{n}" for n in range(1_000))).match_file("a.ext999")
    with pytest.raises(Invalid, match="Shorten it"):
        gitignore.read("\n".join(f"*.ext{n}" for n in range(20_000)))
