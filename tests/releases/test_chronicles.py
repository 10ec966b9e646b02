"""Logbooks as people wrote them are read whole: stamps, zones, order, and what is wrong by its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation

from releases import chronicles
from releases.chronicles import records, stamps, values
from releases.chronicles.drafts import ID_MAX, RAW_MAX, RUN_MAX
from releases.spoken import spoken

CHRONICLE = """\
# The long run

What happened, and when. [The plan](plan.md).

## main

### 2022-03-11

Launch

The training began at 11:42am PST.

### 2022-03-21 14:05 CET first spike of the loss at step 31,214

```
# not a heading
### 2022-03-22 nor this
```

### 2022-04-XX repeated hardware crashes

One node after another.

### Why is it so stable?

Nobody knows.

### 2022-04-30 hanging at eval
### 2022-04-30 hanging at eval
Again.
"""


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_every_heading_becomes_an_entry_in_its_order_and_nothing_is_left_out() -> None:
    parsed = chronicles.read(CHRONICLE, name="chronicles.md")
    assert not parsed.problems
    assert [(e.line, e.raw_stamp, e.title) for e in parsed.entries] == [
        (1, "", "The long run"),
        (7, "2022-03-11", ""),
        (13, "2022-03-21 14:05 CET", "first spike of the loss at step 31,214"),
        (20, "2022-04-XX", "repeated hardware crashes"),
        (24, "", "Why is it so stable?"),
        (28, "2022-04-30", "hanging at eval"),
        (29, "2022-04-30", "hanging at eval"),
    ]
    launch, spike, crashes, musing = parsed.entries[1:5]
    assert (launch.kind, launch.at, launch.confidence) == ("launch", at(2022, 3, 11), "day")
    assert (spike.kind, spike.at, spike.confidence, spike.step) == (
        "divergence",
        at(2022, 3, 21, 13, 5),
        "minute",
        31214,
    )
    assert "### 2022-03-22 nor this" in spike.text
    assert (crashes.kind, crashes.at, crashes.confidence) == ("hardware", None, "unknown")
    assert (musing.kind, musing.raw_stamp) == ("note", "")
    assert launch.source == "chronicles.md:7, The long run, main"
    kept = "\n".join(f"{e.title}\n{e.text}" for e in parsed.entries)
    assert all(line in kept for line in CHRONICLE.splitlines() if line and not line.startswith("#"))
    assert len({e.ref for e in parsed.entries}) == len(parsed.entries)


def test_an_index_of_runs_gives_zone_person_run_and_title() -> None:
    text = "### 11-30 9:15 PM ET [on call] 12.36.1: back to Adam\n### 2021-12-01 08:39 12.47.name_rerun2 LR down\n"
    first, second = chronicles.read(text, name="index.md", year=2021).entries
    assert (first.raw_stamp, first.at) == ("11-30 9:15 PM ET [on call]", at(2021, 12, 1, 2, 15))
    assert (first.run, first.title, first.kind) == ("12.36.1", "back to Adam", "optimizer")
    assert (second.run, second.confidence) == ("12.47.name_rerun2", "inferred")


@pytest.mark.parametrize(
    ("raw", "moment", "confidence"),
    [
        ("2022-01-06 12:46 PST", at(2022, 1, 6, 20, 46), "minute"),
        ("2021-07-01 08:00 PT", at(2021, 7, 1, 15), "minute"),
        ("2022-01-06T20:46:05Z", at(2022, 1, 6, 20, 46, 5), "exact"),
        ("2022-01-06T20:46:05+01:00", at(2022, 1, 6, 19, 46, 5), "exact"),
        ("2022-01-06T20:46:05-0100", at(2022, 1, 6, 21, 46, 5), "exact"),
        ("2022-01-06T20:46+0100", at(2022, 1, 6, 19, 46), "minute"),
        ("2022-01-06 20:46", at(2022, 1, 6, 20, 46), "inferred"),
        ("2022-01-06", at(2022, 1, 6), "day"),
        ("2022-13-06", None, "unknown"),
        ("2021-11-25 13:05 PM ET", None, "unknown"),
        ("about the tenth", None, "unknown"),
        ("11-28", None, "unknown"),
        ("0001-01-01T00:00:00+14:00", None, "unknown"),
        ("9999-12-31 23:59 PST", None, "unknown"),
    ],
)
def test_a_stamp_is_read_as_surely_as_it_is_written(raw: str, moment: datetime | None, confidence: str) -> None:
    assert stamps.read(raw) == stamps.Stamp(raw, moment, confidence)


def test_numbers_at_the_start_of_a_sentence_are_no_stamps() -> None:
    for text in ("12.38 back to Adam", "2.5 things we learned", "Round3 SAVE_INTERVAL=1500"):
        assert stamps.leading(text, year=2021) == (stamps.Stamp(), text)


def test_who_resumes_a_run_restarts_it_in_either_form_of_a_source() -> None:
    told = chronicles.read("### 2022-03-11 10:00 Resumed from step 200\n", name="c.md").entries[0]
    noted = chronicles.read(json.dumps({"id": "a", "type": "Resume", "title": "On"}), name="l.jsonl").entries[0]
    assert (told.kind, noted.kind) == ("restart", "restart")
    kept = chronicles.read(json.dumps({"id": "a", "type": "checkpoint", "title": "Kept"}), name="l.jsonl").entries[0]
    assert kept.kind == "checkpoint", "one that was only written"


ROWS: list[dict[str, Any]] = [
    {"id": "a-1", "ts_utc": "2026-11-24T00:02:25.129+00:00", "run": "a", "step": 0, "type": "start", "text": "Begins.", "segment": 0},
    {"id": "a-2", "ts_utc": "2026-11-24T00:03:51Z", "run": "a", "step": 240, "type": "kill", "severity": "warning", "text": "Killed."},
    {"id": "a-3", "run": "a", "step": 200, "type": "resume", "text": "Goes on.", "segment": 1, "after": {"step": 200}},
    {"id": "a-4", "run": "a", "step": 700, "type": "rollback", "text": "Back.", "segment": 2, "after": {"step": 700, "lr": 0.001}},
    {"id": "a-5", "type": "weather", "title": "It rained", "annotates": "a-1"},
]  # fmt: skip


@pytest.mark.parametrize("form", ["lines", "array", "document", "pretty"])
def test_json_in_each_of_its_forms_holds_the_same(form: str) -> None:
    text = {
        "lines": "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
        "array": json.dumps(ROWS),
        "document": json.dumps({"entries": ROWS}),
        "pretty": json.dumps({"runs": [], "entries": ROWS}, indent=2),
    }[form]
    parsed = chronicles.read(text, name="logbook.jsonl" if form == "lines" else "logbook.json")
    assert not parsed.problems
    assert [e.ref for e in parsed.entries] == ["a-1", "a-2", "a-3", "a-4", "a-5"]
    assert [(e.kind, e.raw_kind) for e in parsed.entries] == [
        ("launch", "start"), ("incident", "kill"), ("restart", "resume"), ("rollback", ""), ("note", "weather"),
    ]  # fmt: skip
    assert [(r.name, r.kind, r.parent, r.parent_step) for r in parsed.runs] == [
        ("a", "start", "", None), ("a.1", "resume", "a", 200), ("a.2", "rollback", "a.1", 700),
    ]  # fmt: skip
    assert [e.run for e in parsed.entries] == ["a", "a", "a.1", "a.2", ""]
    assert parsed.entries[0].confidence == "exact"


def nested(deep: int) -> list[Any]:
    found: list[Any] = []
    for _each in range(deep - 1):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"text": "x", "mood": "good"}, "mood"),
        ({"text": 5}, "text must be a text"),
        ({"text": "x", "step": 1.5}, "whole number"),
        ({"text": "x", "step": True}, "whole number"),
        ({"text": "x", "step": 2**63}, "whole number"),
        ({"text": "x", "run": "r", "segment": 10**9}, "segment must be a whole number"),
        ({"text": "x", "ts_utc": "yesterday"}, "ISO 8601"),
        ({"text": "x", "severity": "loud"}, "severity"),
        ({"text": "x", "after": [1]}, "after"),
        ({"text": "x", "after": {"a": nested(values.DEEPEST)}}, "in one another"),
        ({"text": "x", "tz": "Mars"}, "tz"),
        ({"text": "x", "confidence": "day"}, "give ts_utc"),
        ({"text": "x", "supersedes": "a", "annotates": "b"}, "not both"),
        ({"step": 3}, "title or a text"),
        ("text", "JSON object"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_are_read(row: Any, word: str) -> None:
    lines = [json.dumps({"id": "first", "text": "Fine."}), json.dumps(row), '{"text": "Fine too."}', "{broken"]
    parsed = chronicles.read("\n".join(lines), name="x.jsonl")
    assert sorted(p.line for p in parsed.problems) == [2, 4]
    assert any(word in str(p) for p in parsed.problems if p.line == 2)
    assert len(parsed.entries) == 2


def test_what_python_writes_for_a_loss_that_is_none_stays_as_it_is_written() -> None:
    deep = nested(values.DEEPEST - 1)
    row = '{"text": "x", "before": {"loss": NaN, "scale": [-Infinity, 1e999]}, "after": {"lr": 0.5, "a": %s}}'
    (entry,) = chronicles.read(row % json.dumps(deep), name="x.jsonl").entries
    assert entry.before == {"loss": "NaN", "scale": ["-Infinity", "1e999"]}
    assert entry.after == {"lr": 0.5, "a": deep}


@pytest.mark.parametrize(
    "run",
    [
        {"name": "b", "kind": ["fork"]},
        {"name": "b", "kind": "fork", "parent": {"name": "a"}},
        {"name": "b", "kind": "fork", "parent": "a", "parent_step": 2**63},
        {"name": "b", "kind": "fork", "parent": "a", "parent_step": True},
        {"name": "b", "kind": "fork", "parent_step": 3},
    ],
)
def test_a_run_that_cannot_be_is_a_problem_and_no_fault(run: dict[str, Any]) -> None:
    source = {"runs": [{"name": "a"}, run], "entries": [{"text": "x"}]}
    parsed = chronicles.read(json.dumps(source), name="x.json")
    assert [str(each)[:7] for each in parsed.problems] == ["Line 1:"]
    assert [each.name for each in parsed.runs] == ["a"]


@pytest.mark.parametrize(("said", "step"), [(2**63 - 1, 2**63 - 1), (2**63, None), (True, None), (-1, None)])
def test_a_resumed_run_goes_on_from_the_step_that_is_told_where_it_can_be_one(said: int, step: int | None) -> None:
    rows = [{"run": "a", "text": "x"}, {"run": "a", "segment": 999_999_999, "text": "y", "after": {"step": said}}]
    parsed = chronicles.read("\n".join(map(json.dumps, rows)), name="x.jsonl")
    assert [(run.name, run.parent_step) for run in parsed.runs] == [("a", None), ("a.999999999", step)]


@pytest.mark.parametrize(("name", "length"), [("c.md", 300), ("n" * 100, 1_000), ("n" * 255 + ".md", 10)])
def test_no_heading_and_no_name_make_an_id_longer_than_it_may_be(name: str, length: int) -> None:
    text = "".join(f"# 2022-01-06 {'x' * length}{end}\n\nSee.\n" for end in ("a", "b", "b"))
    refs = [entry.ref for entry in chronicles.read(text, name=name).entries]
    assert len(set(refs)) == 3
    assert max(map(len, refs)) <= ID_MAX
    assert refs == [entry.ref for entry in chronicles.read(text, name=name).entries]


@pytest.mark.parametrize("many", [1, 300])
def test_a_heading_has_no_stamp_and_no_run_longer_than_they_may_be(many: int) -> None:
    headings = (
        f"2022-01-06 12.38.1.{'a' * many}: on",
        f"2022-01-06{',' * many}12:30 PM ET [{'on call' * 11}] 12.38: on",
        f"2022-01-06 12:30:01.{'5' * many} Z 12.38: on",
    )
    entries = chronicles.read("".join(f"# {each}\n\nSee.\n" for each in headings), name="x.md").entries
    assert all(len(entry.raw_stamp) <= RAW_MAX and len(entry.run) <= RUN_MAX for entry in entries)
    assert [entry.run for entry in entries] == (["12.38.1.a", "12.38", "12.38"] if many == 1 else ["", "", ""])


def test_a_title_with_more_digits_than_a_step_has_names_none() -> None:
    text = "# 2022-01-06 spike at step 99999999999999999999\n\nSee.\n# 2022-01-07 spike at step 12,000\n\nSee.\n"
    assert [entry.step for entry in chronicles.read(text, name="x.md").entries] == [None, 12_000]


def test_a_chronicle_begins_with_its_first_heading_whatever_mark_of_order_its_editor_put_there() -> None:
    (entry,) = chronicles.read("\ufeff### 2022-03-11 Launch\n\nIt runs.\n", name="x.md").entries
    assert (entry.raw_stamp, entry.title, entry.text) == ("2022-03-11", "Launch", "It runs.")


def test_a_table_is_not_taken_for_one_entry_of_its_commas() -> None:
    parsed = chronicles.read("ts,title\n2022-03-11,Launch\n", name="logbook.CSV")
    assert not parsed.entries
    assert "This is a table" in str(parsed.problems[0])


def test_equal_lines_without_an_id_are_two_entries_and_an_id_stands_once() -> None:
    parsed = chronicles.read('{"text": "Restarted."}\n{"text": "Restarted."}\n', name="x.jsonl")
    assert len({e.ref for e in parsed.entries}) == 2
    (problem,) = chronicles.read('{"id": "a", "text": "One."}\n{"id": "a", "text": "Two."}\n', name="x.jsonl").problems
    assert problem.line == 2


@pytest.mark.parametrize("text", ["", "[]", '{"entries": []}', "\n\n"])
def test_an_empty_source_holds_nothing(text: str) -> None:
    parsed = chronicles.read(text, name="x.json")
    assert (parsed.entries, parsed.problems) == ([], [])


@pytest.mark.parametrize("text", ["[1, 2", "{", "null", "[null]", "[" * 100_000, '"text"', "\0"])
def test_what_is_no_logbook_is_refused_with_a_line(text: str) -> None:
    parsed = records.parse(text, name="x.json")
    assert not parsed.entries
    assert [problem.line for problem in parsed.problems] == [1]


@pytest.mark.parametrize(
    ("name", "kind"), [("log.md", ""), ("log.json", "markdown"), ("pasted", "markdown"), ("log.md", "markdown")]
)
@pytest.mark.parametrize(
    "text",
    [
        '{"entries": [{"title": "Launch"}]}',
        '[{"title": "Launch"}]\n',
        '\ufeff{"title": "Launch"}\r\n\r\n{"title": "End"}\r\n',
        '{\n  "title": "Launch"\n}',
    ],
)
def test_json_that_is_called_markdown_is_said_to_be_json(text: str, name: str, kind: str) -> None:
    parsed = chronicles.read(text, name=name, kind=kind)
    assert parsed.entries == []
    assert [str(problem) for problem in parsed.problems] == [
        "Line 1: This is JSON, not Markdown. Say that its format is json, or give it a name that ends in .json."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[the plan](plan.md)",
        "[1]\n",
        "[]",
        "{{ macro }}",
        '{"title": "Launch"}\n\n### 2022-03-11\n\nIt began.\n',
        '### 2022-03-11\n\n{"title": "Launch"}\n',
    ],
)
def test_markdown_with_brackets_and_braces_is_markdown(text: str) -> None:
    parsed = chronicles.read(text, name="log.md")
    assert parsed.problems == []
    assert parsed.entries


def test_what_is_wrong_with_a_line_is_said_in_the_readers_language() -> None:
    (problem,) = chronicles.read('{"text": "Fine."}\n{"text": "Odd.", "step": -1}\n', name="x.jsonl").problems
    assert str(problem) == "Line 2: step must be a whole number from 0, below 9,223,372,036,854,775,808."
    with translation.override("de"):
        assert "9.223.372.036.854.775.808" in spoken(problem.placed)
