"""A run's records after a kill in the middle of a line."""

from pathlib import Path

import pytest

from releases.training import records


@pytest.mark.parametrize("cut", ['{"step": 3, "lo', '{"step": 3}', "{"])
def test_a_line_cut_short_is_not_read_and_makes_way_for_the_next(tmp_path: Path, cut: str):
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2):
        records.append(path, {"step": step})
    with path.open("a") as file:
        file.write(cut)
    assert records.read(path) == [{"step": 1}, {"step": 2}]
    records.append(path, {"step": 3})
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


def test_a_first_line_cut_short_leaves_none(tmp_path: Path):
    path = tmp_path / "logbook.jsonl"
    path.write_text('{"id"')
    assert records.read(path) == []
    records.append(path, {"id": "a"})
    assert records.read(path) == [{"id": "a"}]


def test_a_run_that_wrote_nothing_has_no_rows(tmp_path: Path):
    assert records.read(tmp_path / "none.jsonl") == []
