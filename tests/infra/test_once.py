"""What the run makes once: of the processes that want it together one makes it, and no other takes it over half made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests import once


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_RUN", str(tmp_path))
    return tmp_path


def _begin(made: list[int], number: int) -> str:
    with once.first("tables") as first:
        if first:
            made.append(number)
            once.leave("tables", lambda to: to.write_text(f"of {number}"))
        found = once.left("tables")
        assert found, "nothing is there for who came later"
        return found.read_text()


def test_of_those_who_begin_together_one_makes_it_and_the_others_take_it_over(run: Path) -> None:
    made: list[int] = []
    with ThreadPoolExecutor(8) as workers:
        found = [*workers.map(lambda number: _begin(made, number), range(8))]
    assert len(made) == 1
    assert found == [f"of {made[0]}"] * 8


def test_where_the_first_fails_the_next_is_the_first(run: Path) -> None:
    with suppress(RuntimeError), once.first("tables"):
        raise RuntimeError("the server went away")
    made: list[int] = []
    assert _begin(made, 2) == "of 2"
    assert made == [2]


def test_without_a_folder_for_the_run_everybody_makes_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_RUN", raising=False)
    with once.first("tables") as one, once.first("tables") as other:
        assert one
        assert other
