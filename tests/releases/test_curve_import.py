"""Curves in the database: imported once, in any window the extremes of brute force, what was thrown away told apart."""

from __future__ import annotations

import io
import json
import math
import random
import tarfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.people.models import User
from portal.switches.models import Switch, flip
from releases import actions
from releases.curve_models import Curve, CurveBlock, CurveSegment, Recording
from releases.curves import figures, picture, placed
from releases.curves.actions import import_curves, take_back_curves
from releases.curves.picture import Wish
from releases.logbook_models import Kind, Logbook, Run, RunKind
from tests.portal import world

SEED = Path(__file__).parents[2] / "releases" / "seed" / "pico-opt-5m.tar.xz"


@pytest.fixture
def book(lyceum: world.World) -> Logbook:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    return Logbook.objects.create(family=family, title="Logbook of Pico")


def lines(rows: list[dict[str, object]]) -> io.BytesIO:
    return io.BytesIO("\n".join(map(json.dumps, rows)).encode())


def brought(book: Logbook, rows: list[dict[str, object]], run: str = "r", **more: object) -> Recording:
    return import_curves(logbook=book, run=run, file=lines(rows), source="metrics.jsonl", by=None, **more)  # type: ignore[arg-type]


def restarted() -> list[dict[str, object]]:
    """Two hundred steps in which the training falls back twice, every step two seconds, a minute of rest between."""
    rows: list[dict[str, object]] = []
    now = 1.7e9
    for segment, (first, last) in enumerate([(1, 100), (81, 150), (121, 200)]):
        for step in range(first, last + 1):
            now += 2
            rows.append(
                {"ts": now, "segment": segment, "step": step, "tokens": step * 10, "loss": 5 - step / 100, "lr": 0.1}
            )
        now += 58
    return rows


@pytest.mark.parametrize("kind", ["wandb-csv", "codecarbon"])
@pytest.mark.parametrize("text", ["\ufeff_step;loss\r\n1;0,5\r\n", "_step\tloss\n1\t0.5\n"])
def test_a_table_that_a_spreadsheet_wrote_its_own_way_is_refused_with_what_to_save(
    book: Logbook, kind: str, text: str
) -> None:
    file = io.BytesIO(text.encode())
    with pytest.raises(Invalid, match="Save it with commas between the columns and points in numbers"):
        import_curves(logbook=book, run="r", file=file, source="history.csv", by=None, kind=kind)
    assert not Recording.objects.exists()


def test_a_table_of_one_column_is_no_worse_for_a_semicolon_in_a_cell(book: Logbook) -> None:
    file = io.BytesIO(b'_step,"loss;x"\n1,0.5\n')
    recording = import_curves(logbook=book, run="r", file=file, source="history.csv", by=None, kind="wandb-csv")
    assert recording.curves.get().name == "loss_x"


def test_numbers_come_in_under_the_run_and_its_segments(book: Logbook) -> None:
    recording = brought(book, restarted())
    assert recording.rows == 250
    runs = list(book.runs.values_list("name", "kind", "parent__name"))
    assert runs == [("r", "start", None), ("r.1", "resume", "r"), ("r.2", "resume", "r.1")]
    assert sorted(Curve.objects.values_list("run__name", "name", "points")) == [
        ("r", "loss", 100), ("r", "lr", 100), ("r.1", "loss", 70), ("r.1", "lr", 70), ("r.2", "loss", 80), ("r.2", "lr", 80),
    ]  # fmt: skip


def test_the_same_file_twice_is_one_recording_and_another_of_the_same_series_is_refused(book: Logbook) -> None:
    first = brought(book, restarted())
    assert brought(book, restarted()) == first
    with pytest.raises(Conflict, match="--replace"):
        brought(book, restarted()[:-1])
    replaced = brought(book, restarted()[:-1], replace=True)
    assert list(book.recordings.all()) == [replaced]
    assert Curve.objects.get(run__name="r.2", name="loss").points == 79


def test_a_frozen_logbook_takes_more_and_keeps_what_it_has(book: Logbook) -> None:
    brought(book, restarted())
    Logbook.objects.filter(pk=book.pk).update(state="frozen", frozen_at="2026-01-01T00:00Z")
    with pytest.raises(Conflict, match="frozen"):
        brought(book, restarted()[:-1], replace=True)
    brought(book, [{"step": 1, "val_loss": 3.0}])
    assert Curve.objects.filter(run__name="r", name="val_loss").exists()


def test_only_those_who_look_after_the_releases_import(
    book: Logbook, lyceum: world.World, harbour: world.World, stranger: User
) -> None:
    for person in (lyceum.reviewers[0], harbour.manager, stranger):
        with pytest.raises(NotAllowed):
            import_curves(logbook=book, run="r", file=lines(restarted()), source="metrics.jsonl", by=person)
    assert (
        import_curves(logbook=book, run="r", file=lines(restarted()), source="metrics.jsonl", by=lyceum.manager).by
        == lyceum.manager
    )


def test_a_file_that_breaks_off_in_the_middle_changes_nothing(book: Logbook) -> None:
    bad = io.BytesIO(lines(restarted()).getvalue() + b"\n{broken")
    with pytest.raises(Invalid, match="Line 251"):
        import_curves(logbook=book, run="r", file=bad, source="metrics.jsonl", by=None)
    assert not Recording.objects.exists()
    assert not Run.objects.exists()


def test_values_that_are_no_numbers_are_counted_and_left_out(book: Logbook) -> None:
    brought(
        book,
        [
            {"step": 1, "loss": 2.0},
            {"step": 2, "loss": math.nan},
            {"step": 3, "loss": math.inf},
            {"step": 4, "loss": 3.0},
        ],
    )
    curve = Curve.objects.get()
    assert (curve.points, curve.left_out) == (2, 2)


def test_a_file_in_no_order_and_one_without_numbers_are_refused(book: Logbook) -> None:
    rng = random.Random(3)
    with pytest.raises(Invalid, match="in the order"):
        brought(book, [{"step": rng.randrange(10**6), "loss": 1.0} for _ in range(1200)])
    with pytest.raises(Invalid, match="no numbers"):
        brought(book, [{"step": 1, "note": "x"}])
    with pytest.raises(Invalid, match="64 series"):
        brought(book, [{"step": 1, **{f"s{n}": n for n in range(65)}}])


def test_a_file_that_says_nowhere_where_its_rows_stand_is_refused(book: Logbook) -> None:
    with pytest.raises(Invalid, match="its step, its tokens or its time"):
        brought(book, [{"loss": 2.5}, {"loss": 2.25}])
    assert not Recording.objects.exists()
    recording = brought(book, [{"loss": 2.5}, {"step": 1, "loss": 2.25}])
    assert recording.curves.get().points == 2, "rows without a place beside others are kept"


def test_a_file_whose_segments_are_no_segments_makes_no_thousand_runs(book: Logbook) -> None:
    rows: list[dict[str, object]] = [{"segment": n, "step": n, "loss": 2.5} for n in range(501)]
    with pytest.raises(Invalid, match="more than 500 runs"):
        brought(book, rows)
    assert not Run.objects.exists()
    brought(book, rows[:500])
    assert Run.objects.count() == 500


def test_the_limits_of_runs_are_those_of_walking_up_from_each(book: Logbook) -> None:
    """Each resumed or rolled back run throws away what all those above it did beyond the step that it went on from."""
    rng = random.Random(7)
    runs: list[Run] = []
    for number in range(40):
        above = rng.choice(runs) if runs and rng.random() < 0.9 else None
        kind = rng.choice([RunKind.FORK, RunKind.RESUME, RunKind.ROLLBACK]) if above else RunKind.START
        step = rng.randrange(100) if above and rng.random() < 0.7 else None
        runs.append(Run.objects.create(logbook=book, name=f"{number}", kind=kind, parent=above, parent_step=step))
    by_pk, expected = {run.pk: run for run in runs}, dict[int, float]()
    for run in runs:
        above = run.parent if run.kind in {RunKind.RESUME, RunKind.ROLLBACK} and run.parent_step is not None else None
        while above:
            expected[above.pk] = min(expected.get(above.pk, math.inf), float(run.parent_step or 0))
            above = by_pk[above.pk].parent
    curves = [Curve(pk=run.pk, run=run, name="loss") for run in runs]
    segments = [
        CurveSegment(curve=curve, number=0, points=1, levels=1, first_step=0, last_step=200) for curve in curves
    ]
    steps = {run.pk: run.parent_step for run in runs}
    begun = [run for run in runs if run.kind in {RunKind.RESUME, RunKind.ROLLBACK} and steps[run.pk] is None]
    Run.objects.filter(pk__in=[run.pk for run in begun]).update(kind=RunKind.FORK)
    told = picture.discarded_after(Run.objects.all(), curves, segments)
    assert {pk: limit for (pk, _number), limit in told.items()} == expected


def test_no_run_gets_a_name_longer_than_any(book: Logbook) -> None:
    for run, segments in (("r" * 121, [None]), ("r" * 119, [0, 1])):
        with pytest.raises(Invalid, match="at most 120 characters"):
            brought(book, [{"segment": n, "step": 1, "loss": 2.5, "lr": 0.1} for n in segments], run)
    assert not Run.objects.exists()
    brought(book, [{"segment": n, "step": 1, "loss": 2.5} for n in (0, 1)], "r" * 118)
    assert {len(name) for name in Run.objects.values_list("name", flat=True)} == {118, 120}


def test_while_publishing_is_paused_no_curves_come_or_go(book: Logbook) -> None:
    kept = brought(book, restarted())
    flip(switch=Switch.PUBLISH, on=False, reason="a drill", by=None)
    with pytest.raises(Unavailable):
        brought(book, restarted(), "other", replace=True)
    with pytest.raises(Unavailable):
        take_back_curves(logbook=book, sha256=kept.sha256, by=None)
    assert Recording.objects.get() == kept


def test_every_window_has_the_extremes_of_brute_force_in_a_flat_number_of_queries(book: Logbook) -> None:
    rng = random.Random(5)
    values = [rng.gauss(0, 1) + (40 if rng.random() < 0.0005 else 0) for _ in range(40_000)]
    brought(book, [{"step": step, "loss": value} for step, value in enumerate(values)])
    assert CurveBlock.objects.filter(level=1).exists()
    asked = set()
    for _ in range(25):
        low = rng.randrange(0, 39_000)
        high = rng.randrange(low + 10, 40_000)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            drawn = picture.draw(book, Wish("step", low, high, ["loss"], 200))
        asked.add(len(queries))
        assert drawn is not None
        (line,) = drawn.panels[0].lines
        assert len(line.points) <= 2 * 200 + 4
        assert drawn.panels[0].bounds == (min(values[low : high + 1]), max(values[low : high + 1]))
        assert all(values[int(step)] == value for step, value in zip(line.points.step, line.points.value, strict=True))
    assert max(asked) <= 10


def test_more_restarts_ask_no_more_queries(book: Logbook) -> None:
    brought(book, restarted())
    with CaptureQueriesContext(connection) as few:
        picture.draw(book, Wish("step", 90, 110))
    many = [{"step": step % 50 + turn, "loss": 1.0} for turn in range(40) for step in range(50)]
    brought(book, many, run="other")
    with CaptureQueriesContext(connection) as more:
        picture.draw(book, Wish("step", 30, 60))
    assert len(more) <= len(few)


def test_what_a_restart_threw_away_is_told_apart(book: Logbook) -> None:
    brought(book, restarted())
    drawn = picture.draw(book, Wish("tokens", series=["loss"]))
    assert drawn is not None
    lines = [
        (line.run.name, line.points.step[0], line.points.step[line.kept - 1], line.points.step[-1])
        for line in drawn.panels[0].lines
    ]
    assert lines == [("r", 1, 80, 100), ("r.1", 81, 120, 150), ("r.2", 121, 200, 200)]
    Run.objects.filter(name="r.1").update(kind=RunKind.FORK)
    forked = picture.draw(book, Wish("step", series=["loss"]))
    assert forked is not None
    assert forked.panels[0].lines[0].kept == 100, "a fork throws nothing away"


def test_figures_follow_from_the_numbers(book: Logbook) -> None:
    brought(book, restarted())
    for order, (run, step, kind) in enumerate(
        [
            ("r", 1, Kind.LAUNCH),
            ("r", 100, Kind.HARDWARE),
            ("r.1", 80, Kind.RESTART),
            ("r.1", 110, Kind.NOTE),
            ("r.2", 120, Kind.ROLLBACK),
        ],
        1,
    ):
        book.entries.create(run=Run.objects.get(name=run), order=order, step=step, kind=kind, title=kind.label)
    drawn = picture.draw(book, Wish())
    assert drawn is not None
    told = figures.derive(drawn.parts, placed.on(drawn, book).entries, drawn.tracks)
    assert told is not None
    assert [(each.cause, each.steps, each.idle_s) for each in told.restarts] == [("hardware", 20, 60), ("", 30, 60)]
    assert [each.repeated_s for each in told.restarts] == [pytest.approx(40), pytest.approx(60)]
    assert (told.useful, told.repeated, told.goodput) == (200, 50, 0.8)
    assert told.running_s == 99 * 2 + 69 * 2 + 79 * 2
    assert (told.failures, told.between_failures_s) == (1, told.running_s)
    assert told.lost_s == pytest.approx(40 + 60 + 60 + 60)


def test_without_a_clock_nothing_is_said_of_time(book: Logbook) -> None:
    brought(book, [{"step": row["step"], "segment": row["segment"], "loss": row["loss"]} for row in restarted()])
    drawn = picture.draw(book, Wish("at"))
    assert drawn is not None
    assert drawn.axes == ["step"]
    told = figures.derive(drawn.parts, [], drawn.tracks)
    assert told is not None
    assert (told.running_s, told.lost_s, told.between_failures_s) == (None, None, None)
    assert told.goodput == 0.8


def test_the_numbers_of_the_trained_family_come_in_by_the_command(
    book: Logbook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tarfile.open(SEED) as archive:
        archive.extract("records/metrics.jsonl", tmp_path, filter="data")
    call_command("import_curves", tmp_path / "records" / "metrics.jsonl", "lyceum/pico", run="pico-opt-5m")
    assert "pico-opt-5m.2 loss: 1,060 points" in capsys.readouterr().out
    drawn = picture.draw(book, Wish("step"))
    assert drawn is not None
    told = figures.derive(drawn.parts, [], drawn.tracks)
    assert told is not None
    assert (told.useful, told.repeated) == (6000, 100)
    with pytest.raises(CommandError, match="has no logbook"):
        call_command("import_curves", tmp_path / "records" / "metrics.jsonl", "lyceum/unknown", run="x")
