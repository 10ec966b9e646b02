"""Curves without a database: packing, the pyramid, thinning, and every reader of files."""

from __future__ import annotations

import io
import json
import math
import random
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from releases.curves import formats, names, scales
from releases.curves.formats import codecarbon, metrics, tensorboard, wandb
from releases.curves.points import BLOCK, Points, joined, pack, thinned, unpack
from releases.curves.pyramid import Pyramid, level_for, stretches
from releases.curves.rows import Row
from releases.curves.thinning import columns

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
EVENTS = Path(__file__).parent / "data" / "events.out.tfevents.curves"


def points_of(values: list[float]) -> Points:
    made = Points()
    for step, value in enumerate(values):
        made.append(float(step), step * 2048.0, 1.7e9 + step / 10, value)
    return made


def built(values: list[float]) -> tuple[dict[int, Points], int]:
    levels: dict[int, list[Points]] = {}
    pyramid = Pyramid(lambda level, _number, points: levels.setdefault(level, []).append(points))
    for step, value in enumerate(values):
        pyramid.append(float(step), math.nan, math.nan, value)
    count = pyramid.close()
    assert all(len(block) == BLOCK for blocks in levels.values() for block in blocks[:-1])
    return {level: joined(blocks) for level, blocks in levels.items()}, count


# --- Packing -----------------------------------------------------------------------------------------------------
@given(st.lists(NUMBERS, max_size=50))
def test_points_come_back_bit_for_bit(values: list[float]) -> None:
    points = points_of(values)
    again = unpack(pack(points))
    assert [column.tobytes() for column in again.columns] == [column.tobytes() for column in points.columns]


def test_an_axis_that_points_do_not_have_comes_back_as_none() -> None:
    points = Points()
    points.append(1.0, math.nan, math.nan, 2.0)
    assert math.isnan(unpack(pack(points)).tokens[0])


@pytest.mark.parametrize("data", [struct.pack("<I", BLOCK + 1), pack(points_of([1.0, 2.0]))[:-4] + b"\0\0\0\0", b"\1"])
def test_a_damaged_block_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error, __import__("zlib").error)):
        unpack(data)


def test_even_steps_and_tokens_take_hardly_any_room() -> None:
    rng = random.Random(1)
    noisy = points_of([rng.random() for _ in range(BLOCK)])
    assert len(pack(noisy)) < BLOCK * 8 * 1.35, "four columns of eight bytes, and one of them is noise"


# --- The pyramid against brute force ------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 15, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5])
def test_every_level_has_the_extremes_of_all(count: int) -> None:
    rng = random.Random(count)
    values = [rng.gauss(0, 1) for _ in range(count)]
    levels, height = built(values)
    assert set(levels) == set(range(height))
    for level, points in levels.items():
        assert (min(points.value), max(points.value)) == (min(values), max(values))
        assert len(points) == count or len(points) == 2 * math.ceil(count / (16 * 8 ** (level - 1)))
        assert all(values[int(step)] == value for step, value in zip(points.step, points.value, strict=True))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_no_spike_is_lost_in_any_window(seed: int, data: st.DataObject) -> None:
    """Whatever window and width: true points, few of them, both extremes, and each near its place."""
    rng = random.Random(seed)
    count = rng.choice([40, 3000, BLOCK * 3 + 77, BLOCK * 11])
    values = [rng.gauss(0, 1) + (50 if rng.random() < 0.001 else 0) for _ in range(count)]
    levels, height = _cached(seed, values)
    start = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(start + 1, count))
    pixels = data.draw(st.sampled_from([1, 7, 100, 800]))
    level = level_for(end - start, height, 4 * pixels)
    read = joined(levels[each.level].part(each.start, each.end) for each in stretches(start, end, level, count))
    shown = columns(read, "step", float(start), float(end - 1), pixels)
    assert len(shown) <= 2 * pixels + 4
    assert len(read) <= max(BLOCK, 32 * pixels + 32 * height + 64)
    assert list(read.step) == sorted(read.step)
    assert start <= min(shown.step)
    assert max(shown.step) < end
    assert all(values[int(step)] == value for step, value in zip(shown.step, shown.value, strict=True))
    assert min(shown.value) == min(values[start:end])
    assert max(shown.value) == max(values[start:end])
    width = max(1.0, (end - 1 - start) / pixels)
    for column in range(pixels):
        low, high = start + column * width, start + (column + 1) * width
        inside = values[math.ceil(low) : min(math.floor(high) + 1, end)]
        near = [v for s, v in zip(shown.step, shown.value, strict=True) if low - width - 1 <= s <= high + width + 1]
        if inside:
            assert max(near) >= max(inside)
            assert min(near) <= min(inside)


_KEPT: dict[int, tuple[dict[int, Points], int]] = {}


def _cached(seed: int, values: list[float]) -> tuple[dict[int, Points], int]:
    if seed not in _KEPT:
        _KEPT[seed] = built(values)
    return _KEPT[seed]


def test_thinning_gives_two_for_each_group_also_where_all_are_equal() -> None:
    assert len(thinned(points_of([1.0] * 33), 16)) == 6


# --- Readers ------------------------------------------------------------------------------------------------------
def rows_of(text: str) -> list[Row]:
    return list(metrics.read(io.BytesIO(text.encode())))


def test_metrics_are_read_by_their_usual_names() -> None:
    line = {
        "ts_utc": "2026-11-24T00:02:27+00:00",
        "segment": 0,
        "step": 5,
        "tokens": 10240,
        "loss": 7.4,
        "note": "x",
        "ok": True,
    }
    (row,) = rows_of(json.dumps(line) + "\n\n")
    assert row == Row(5.0, 10240.0, 1795478547.0, 0, 0, {"loss": 7.4})


def test_steps_that_go_back_begin_a_segment_and_lose_nothing() -> None:
    rows = rows_of("\n".join(f'{{"step": {step}, "loss": 1}}' for step in (1, 2, 3, 2, 3, 4)))
    assert [(row.step, row.segment) for row in rows] == [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (4, 1)]


def test_rows_without_tokens_between_rows_with_tokens_begin_none() -> None:
    rows = rows_of('{"step":1,"tokens":5,"loss":1}\n{"step":1,"val_loss":2}\n{"step":2,"tokens":9,"loss":1}')
    assert [row.segment for row in rows] == [0, 0, 0]


def test_objects_inside_a_line_and_numbers_json_does_not_have_are_read() -> None:
    (row,) = rows_of('{"step": 1, "train": {"loss": NaN, "lr": 0.1}}')
    assert math.isnan(row.values["train/loss"])
    assert row.values["train/lr"] == 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "Line 1 is not a JSON object"),
        ('{"step": 1}\n{"st', "Line 2 is not a JSON object"),
        ('{"step": "one", "loss": 1}', "step is 'one'"),
        ('{"step": -1, "loss": 1}', "step is -1"),
        ('{"time": "noon", "loss": 1}', "not a moment"),
        ('{"segment": "b", "loss": 1}', "segment is 'b'"),
        ('{"a": "' + "x" * (1 << 20) + '"}', "Line 1 is longer"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        rows_of(text)


def test_a_history_of_weights_and_biases_is_read_in_all_its_shapes() -> None:
    lines = b'{"_step": 3, "_timestamp": 1700000000.5, "_runtime": 4, "train/loss": 2.5, "name": "x"}\n'
    history = b"_step,_timestamp,train/loss,tag\n3,1700000000.5,2.5,x\n4,1700000001,,x\n"
    chart = b'"Step","calm-owl - train/loss","calm-owl - train/loss__MIN","calm-owl - train/loss__MAX"\n"3","2.5","2.4","2.6"\n'
    expected = Row(3.0, pytest.approx(math.nan, nan_ok=True), 1700000000.5, 0, None, {"train/loss": 2.5})  # type: ignore[arg-type]
    assert list(wandb.read_lines(io.BytesIO(lines))) == [expected]
    assert list(wandb.read_table(io.BytesIO(history))) == [expected]
    (row,) = wandb.read_table(io.BytesIO(chart))
    assert (row.step, row.values) == (3.0, {"train/loss": 2.5})


def test_a_chart_of_several_runs_is_refused_and_no_values_of_one_are_told_of_another() -> None:
    chart = b'"Step","calm-owl - loss","calm-owl - loss__MIN","sad-elk - loss","sad-elk - loss__MIN"\n1,2.5,2.5,,\n2,,,9.5,9.5\n'
    with pytest.raises(Invalid, match="calm-owl - loss and sad-elk - loss are the same series of two runs"):
        list(wandb.read_table(io.BytesIO(chart)))


def test_a_row_that_ends_early_or_is_empty_leaves_out_what_it_does_not_say() -> None:
    (first, second) = wandb.read_table(io.BytesIO(b"_step,loss,lr\n1\n\n2,2.5\n3,2.25,0.5,7\n"))
    assert (first.step, first.values) == (2.0, {"loss": 2.5})
    assert (second.step, second.values) == (3.0, {"loss": 2.25, "lr": 0.5})


@pytest.mark.parametrize("row", [b"," * (1 << 21), b'"\n",' * (1 << 19)], ids=["in one line", "in quotes over lines"])
def test_a_row_of_a_table_that_is_longer_than_any_is_refused_where_it_stands(row: bytes) -> None:
    with pytest.raises(Invalid, match=r"The row at line \d+ is longer than"):
        list(wandb.read_table(io.BytesIO(b"_step,loss\n1,2.5\n" + row + b"\n")))
    many = b"_step,loss\n" + b"1,2.5\n" * (1 << 18)
    assert sum(1 for _row in wandb.read_table(io.BytesIO(many))) == 1 << 18, "many rows are no long one"


@pytest.mark.parametrize(
    "moment", [1_700_000_000_000_000, 1e18, 1e300, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_moment_in_no_year_of_four_digits_is_refused_with_its_row(moment: object) -> None:
    text = "\n".join(json.dumps(row) for row in ({"ts": 1.7e9, "loss": 1}, {"ts": moment, "loss": 1}))
    with pytest.raises(Invalid, match=r"Row 2: .* is not a moment"):
        rows_of(text)


@pytest.mark.parametrize(
    ("moment", "at"), [(1_700_000_000_000, 1.7e9), ("9999-12-29T23:59:59Z", 253402127999.0), (0, 0.0)]
)
def test_a_moment_in_seconds_in_milliseconds_or_far_away_is_read(moment: object, at: float) -> None:
    (row,) = rows_of(json.dumps({"ts": moment, "loss": 1}))
    assert row.at == at


def test_codecarbon_is_read_by_its_head_in_kilograms() -> None:
    text = b"country_name,timestamp,duration,emissions,energy_consumed,os\nFrance,2026-01-02T03:04:05,60,0.0026,0.0055,Linux\n"
    (row,) = codecarbon.read(io.BytesIO(text))
    assert row.values == {"emissions": 0.0026, "energy_consumed": 0.0055, "duration": 60.0}
    assert names.kind_of("emissions").unit == "kg"
    with pytest.raises(Invalid, match="no columns"):
        list(codecarbon.read(io.BytesIO(b"a,b\n1,2\n")))


def test_a_file_of_another_writer_of_events_is_read() -> None:
    """The file was written by tensorboardX 2.6: loss at ten steps, a rollback to step 5, a tensor, a histogram."""
    with EVENTS.open("rb") as file:
        rows = list(tensorboard.read(file))
    loss = [(row.step, row.segment, row.values["train/loss"]) for row in rows if "train/loss" in row.values]
    assert [(step, segment) for step, segment, _ in loss] == [(s, 0) for s in range(10)] + [
        (s, 1) for s in range(5, 12)
    ]
    assert loss[3][2] == pytest.approx(1 / 4)
    assert all(row.at > 1.7e9 for row in rows)
    assert {name for row in rows for name in row.values} == {"train/loss", "lr"}


def test_checksums_are_those_of_the_standard() -> None:
    crc = (tensorboard.masked(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (crc << 15 | crc >> 17) & 0xFFFFFFFF == 0xE3069283


def test_an_event_at_a_moment_that_no_calendar_has_is_refused() -> None:
    def event(at: float) -> bytes:
        value = b"\x0a\x04loss\x15" + struct.pack("<f", 2.5)
        summary = b"\x0a" + bytes([len(value)]) + value
        message = b"\x09" + struct.pack("<d", at) + b"\x10\x01" + b"\x2a" + bytes([len(summary)]) + summary
        head = struct.pack("<Q", len(message))
        check = [struct.pack("<I", tensorboard.masked(part)) for part in (head, message)]
        return head + check[0] + message + check[1]

    assert [row.at for row in tensorboard.read(io.BytesIO(event(1.7e9)))] == [1.7e9]
    with pytest.raises(Invalid, match="a time that none can have"):
        list(tensorboard.read(io.BytesIO(event(1e18))))


def test_a_file_cut_off_by_a_kill_is_read_up_to_there() -> None:
    whole = EVENTS.read_bytes()
    every = len(list(tensorboard.read(io.BytesIO(whole))))
    assert 0 < len(list(tensorboard.read(io.BytesIO(whole[: len(whole) // 2])))) < every


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_damage_to_an_event_file_does_more_than_be_refused(data: st.DataObject) -> None:
    whole = bytearray(EVENTS.read_bytes())
    for place in data.draw(st.sets(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Invalid, match="damaged"):
        for _ in tensorboard.read(io.BytesIO(bytes(whole))):
            pass


@settings(max_examples=80, deadline=None)
@given(message=st.binary(max_size=200))
def test_any_bytes_under_a_good_checksum_are_read_or_refused(message: bytes) -> None:
    head = struct.pack("<Q", len(message))
    record = (
        head + struct.pack("<I", tensorboard.masked(head)) + message + struct.pack("<I", tensorboard.masked(message))
    )
    try:
        for row in tensorboard.read(io.BytesIO(record)):
            assert isinstance(row, Row)
    except Invalid:
        pass


def test_formats_are_told_by_name_or_asked_for() -> None:
    assert formats.guess("runs/events.out.tfevents.1700.host.1") == "tensorboard"
    assert formats.guess("emissions.csv") == "codecarbon"
    assert formats.guess("history.csv") == "wandb-csv"
    with pytest.raises(Invalid, match="Say which format"):
        formats.guess("numbers.bin")


def test_names_of_other_programs_become_ours() -> None:
    assert [names.known(name) for name in ("train/loss", "gnorm", "lm loss", "my metric\x00")] == [
        "loss",
        "grad_norm",
        "loss",
        "my metric_",
    ]


def test_numbers_and_days_beside_an_axis_are_written_as_the_reader_does() -> None:
    values = (7.527, 0.00015, 14_210.0, 0.0, -4.697)
    day = datetime(2026, 3, 24, tzinfo=UTC).timestamp()
    assert [scales.short(value) for value in values] == ["7.527", "0.00015", "14.21k", "0", "-4.697"]
    assert scales.clock(day, day + 86400, 1)[0][1] == "24 Mar"
    with translation.override("de"):
        assert [scales.short(value) for value in values] == ["7,527", "0,00015", "14,21k", "0", "-4,697"]
        assert "Mar" not in scales.clock(day, day + 86400, 1)[0][1]
