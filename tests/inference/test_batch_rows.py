"""Lines of a batch's input, without a database: what is taken, what is refused and where it says so; bounds of memory."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import batch_lifecycle as lifecycle
from inference.batch_lifecycle import LIVE, OVER, TABLE, State
from inference.batches import rows
from inference.batches.rows import Problem

URL = "/v1/completions"


def line(**changes: Any) -> bytes:
    whole = {"custom_id": "a", "method": "POST", "url": URL, "body": {"model": "lyceum/pico", "prompt": "x"}}
    return json.dumps(whole | changes).encode()


def nested(depth: int) -> bytes:
    return b'{"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"model": "m", "tools": %s}}' % (
        b"[" * depth + b"]" * depth
    )


def survey(content: bytes, most: int = 1000) -> rows.Survey:
    return rows.survey(io.BytesIO(content), endpoint=URL, most=most)


def faults(content: bytes, **bounds: int) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in survey(content, **bounds).problems]


def test_a_sound_file_is_counted():
    found = survey(
        b"\n".join(line(custom_id=str(n), body={"model": "m", "prompt": "x" * 30, "max_tokens": 9}) for n in range(5))
    )
    assert (found.problems, found.model, found.rows, found.tokens) == ([], "m", 5, 5 * (32 // 3 + 9))


def test_an_input_for_vectors_counts_for_itself_alone():
    asked = {"model": "m", "input": ["x" * 28, "y" * 28]}
    content = line(url="/v1/embeddings", body=asked)
    found = rows.survey(io.BytesIO(content), endpoint="/v1/embeddings", most=10)
    assert (found.problems, found.rows, found.tokens) == ([], 1, 63 // 3)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"[]", "invalid_json_line"),
        (b'"text"', "invalid_json_line"),
        (b"\xff\xfe{}", "invalid_json_line"),
        (b"\x00", "invalid_json_line"),
        (b'{"custom_id": "\xc3\x28"}', "invalid_json_line"),
        (b"[" * 200_000, "invalid_json_line"),
        (b'{"a":' * 100_000, "invalid_json_line"),
        (line(extra=1), "unknown_parameter"),
        (line(custom_id=""), "missing_required_parameter"),
        (line(custom_id=7), "missing_required_parameter"),
        (line(custom_id="x" * 257), "missing_required_parameter"),
        (line(method="GET"), "invalid_method"),
        (line(url="/v1/embeddings"), "mismatched_url"),
        (line(url="http://elsewhere/v1/completions"), "mismatched_url"),
        (line(body=None), "missing_required_parameter"),
        (line(body={}), "missing_required_parameter"),
        (line(body={"model": "m", "prompt": "x", "stream": True}), "invalid_value"),
        (nested(300), "invalid_value"),
        (nested(300).replace(b"tools", b"prompt"), "invalid_value"),
    ],
    ids=map(str, range(20)),
)
def test_a_bad_line_is_named_by_its_number(content, code):
    assert faults(line(custom_id="first", body={"model": "m"}) + b"\n" + content + b"\n") == [(code, 2)]


def test_a_body_that_can_be_sent_on_is_taken_however_deep():
    found = survey(nested(200) + b"\n" + line(custom_id="b", body={"model": "m", "prompt": "x"}))
    assert (found.rows, found.refused, found.problems) == (2, 1, [])


def mistyped(custom_id: str, **body: Any) -> bytes:
    return line(custom_id=custom_id, body={"model": "m", "prompt": "x", **body})


def test_a_field_that_is_mistyped_in_every_line_is_told_before_anything_is_sent():
    found = survey(mistyped("a", max_token=1) + b"\n" + mistyped("b", max_token=1))
    assert [problem.wire() for problem in found.problems] == [
        {
            "code": "unknown_field", "line": n, "param": "body.max_token",
            "message": "Unknown or refused field: max_token. Do you mean max_tokens?",
        }
        for n in (1, 2)
    ]  # fmt: skip
    assert len(survey(b"\n".join(mistyped(str(n), n=0) for n in range(500))).problems) == rows.PROBLEMS


def test_what_is_wrong_in_some_lines_is_their_own_answer_and_the_others_are_sent():
    found = survey(mistyped("a", max_token=1) + b"\n" + mistyped("b"))
    assert (found.rows, found.refused, found.problems) == (2, 1, [])


@pytest.mark.parametrize(("url", "body"), [
    ("/v1/completions", {"prompt": [[1, 2], [3]], "max_tokens": 3, "logprobs": 2, "stream": False}),
    ("/v1/completions", {"prompt": "x" * 3_000_000}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 3}),
    ("/v1/embeddings", {"input": ["x", "y"], "encoding_format": "base64"}),
])  # fmt: skip
def test_what_the_gateway_would_look_at_is_taken_at_each_address(url, body):
    found = rows.survey(io.BytesIO(line(url=url, body={"model": "m", **body})), endpoint=url, most=10)
    assert (found.rows, found.refused, found.problems) == (1, 0, [])


def test_names_come_once_and_models_do_not_differ():
    assert faults(line() + b"\n" + line()) == [("duplicate_custom_id", 2)]
    assert faults(line() + b"\n" + line(custom_id="b", body={"model": "other/one"})) == [("mismatched_model", 2)]


def test_nothing_is_nothing():
    assert faults(b"") == faults(b"\n\n \r\n") == [("empty_file", None)]


def test_a_mark_of_byte_order_empty_lines_and_windows_ends_do_no_harm():
    found = survey(b"\xef\xbb\xbf" + line() + b"\r\n\r\n" + line(custom_id="b") + b"\r\n")
    assert (found.rows, found.problems) == (2, [])


def test_a_line_without_end_is_cut_off_and_the_rest_is_not_read():
    class Endless(io.RawIOBase):
        read_bytes = 0

        def readline(self, size: int = -1) -> bytes:
            self.read_bytes += size
            return b"x" * size

    source = Endless()
    found = rows.survey(source, endpoint=URL, most=1000)  # type: ignore[arg-type]
    assert [problem.code for problem in found.problems] == ["line_too_long"]
    assert source.read_bytes <= rows.LINE_BYTES + 1


def test_too_many_lines_are_refused_though_they_are_empty():
    assert faults(b"\n" * 11, most=10) == [("too_many_rows", None)]


def test_after_a_hundred_faults_the_rest_is_not_told():
    assert len(survey(b"{\n" * 500).problems) == rows.PROBLEMS


def test_a_problem_repeats_nothing_that_was_written():
    secret = "xyzzy-secret"
    found = survey(line(custom_id=secret) + b"\n" + line(custom_id=secret) + b"\n{" + secret.encode())
    assert len(found.problems) == 2
    assert secret not in str([problem.wire() for problem in found.problems])


@given(st.binary(max_size=300))
def test_no_file_whatever_breaks_the_reader(content):
    found = survey(content)
    assert found.problems or found.rows


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_body_whatever_breaks_the_estimate(value):
    body = value if isinstance(value, dict) else {"prompt": value, "max_tokens": value, "n": value}
    try:
        one = rows.row(1, line(body={"model": "m", **body, "stream": False}), endpoint=URL)
    except Problem:
        return
    assert rows.estimate(one.body) > 0


def test_every_state_is_live_or_over_and_only_live_ones_lead_on():
    assert {*LIVE, *OVER} == set(State)
    assert not set(LIVE) & set(OVER)
    assert {at for at, _verb in TABLE} == set(LIVE)
    assert {to for to, _who in TABLE.values()} | {State.VALIDATING} == set(State)
    assert lifecycle.next_state("completed", lifecycle.Verb.CANCEL) is None
