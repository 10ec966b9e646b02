"""`make test` asks what failed once more, and nothing else (ADR 19): the script itself, on small suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist.plugin"}
"""A run starts pytest many times, and what this project's own tests load with it would be most of that."""
FORGETFUL = {"PYTHONDONTWRITEBYTECODE": "1"}
"""As images of containers often have it."""
HEAD = """
import pathlib
import pytest

ASKED = pathlib.Path("asked")


def asked(name):
    with ASKED.open("a") as file:
        file.write(name + chr(10))
    return ASKED.read_text().split(chr(10)).count(name)

"""
STEADY = """
def test_steady():
    asked("steady")

"""
SHAKY = """
@pytest.mark.xdist_group("one server")
@pytest.mark.parametrize("way", ["plain", "a@b [c]"])
def test_shaky(way):
    assert asked(way) > 1

"""
BROKEN = """
@pytest.mark.xdist_group("one server")
@pytest.mark.parametrize("number", range(%d))
def test_broken(number):
    asked("broken")
    assert False
"""


def run(folder: Path, *parts: str) -> tuple[int, str, list[str]]:
    """Exit status, output, and the tests as they were asked."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    drill\n    browser\n    engine\n")
    tests = folder / "tests"
    tests.mkdir()
    (tests / "test_first.py").write_text(HEAD + "".join(parts))
    (tests / "test_second.py").write_text("import pytest\n\n\n@pytest.mark.browser\ndef test_page():\n    pass\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO", "COV"))}
    done = subprocess.run(
        ["sh", str(ROOT / "infra/test.sh"), str(Path(sys.executable).parent)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | BARE | FORGETFUL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, sorted((folder / "asked").read_text().split())


def test_what_passes_alone_is_named_and_lets_the_run_pass(tmp_path: Path) -> None:
    status, output, asked = run(tmp_path, STEADY, SHAKY)
    assert status == 0, output
    assert "Passed alone, failed beside others" in output.rpartition("passed in")[2]
    assert output.count("test_first.py::test_shaky[plain]\n") >= 2, "named when asked again, and at the end"
    assert asked == sorted(["steady", *["plain", "a@b", "[c]"] * 2]), "and nothing else is asked again"
    compiled = {file.name.partition(".")[0] for file in (tmp_path / "tests").rglob("*.pyc")}
    assert compiled == {"test_first", "test_second"}, "each process compiles everything anew"


def test_what_fails_again_fails_the_run(tmp_path: Path) -> None:
    status, output, asked = run(tmp_path, STEADY, SHAKY, BROKEN % 1)
    assert status == 1, output
    assert asked.count("broken") == 2
    assert "Passed alone" not in output


@pytest.mark.parametrize(("failures", "times"), [(5, 2), (6, 1)])
def test_more_than_five_are_not_asked_again(tmp_path: Path, failures: int, times: int) -> None:
    status, output, asked = run(tmp_path, BROKEN % failures)
    assert status == 1, output
    assert asked.count("broken") == failures * times
