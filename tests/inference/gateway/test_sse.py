"""The meter: what goes on, what is counted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.gateway.sse import LONGEST_EVENT, EventTooLong, Meter, fingerprint_of, usage_of, without_usage

TEXT = st.text(max_size=12) | st.sampled_from(
    ['"usage":{', ',"usage":{"prompt_tokens":9}', "data: [DONE]", '"choices":[]']
)


def event(text: str, completion: int, *, index: int = 0, prompt: int = 5, usage: bool = True) -> bytes:
    whole = {"id": "x", "choices": [{"index": index, "text": text, "logprobs": None}]}
    if usage:
        whole["usage"] = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
    return b"data: " + json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def final(prompt: int, completion: int, cached: int) -> bytes:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    whole = {"id": "x", "choices": [], "usage": usage, "system_fingerprint": "vllm-1"}
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"


def meter(*, choices: int = 1, final: bool = False, field: bool = False, per_prompt: int = 1) -> Meter:
    return Meter(choices=choices, per_prompt=per_prompt, keep_final=final, keep_field=field)


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("told", "kept"), [(120 * "x", 120 * "x"), (121 * "x", ""), ("a\0b", "")], ids=("most", "more", "NUL")
)
def test_a_fingerprint_is_taken_as_the_ledger_takes_it(told: str, kept: str) -> None:
    assert fingerprint_of(f'{{"system_fingerprint":"{told}"}}'.encode()) == kept


@given(st.lists(TEXT, min_size=1, max_size=12), st.data(), st.booleans())
def test_however_it_is_cut_the_bytes_are_those_of_a_stream_without_usage(
    texts: list[str], data: st.DataObject, wants_final: bool
) -> None:
    count = len(texts)
    sent = b"".join(event(text, i + 1) for i, text in enumerate(texts)) + final(5, count, 3) + DONE
    plain = (
        b"".join(event(text, 0, usage=False) for text in texts) + (final(5, count, 3) if wants_final else b"") + DONE
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    one = meter(final=wants_final)
    out = b"".join(one.feed(sent[a:b]) for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if b > a)
    assert out == plain
    assert one.counts == (5, count, 3)
    assert one.done
    assert one.fingerprint == "vllm-1"


@pytest.mark.parametrize("wanted", [False, True])
def test_event_by_event_the_final_report_goes_to_those_who_asked(wanted: bool) -> None:
    one = meter(final=wanted)
    out = [one.feed(part) for part in (event("a", 1), final(5, 1, 2), DONE)]
    assert out == [event("a", 0, usage=False), final(5, 1, 2) if wanted else b"", DONE]
    assert (one.counts[2], one.fingerprint) == (2, "vllm-1")


SHAPES = {
    "report last": ({}, {}),
    "details in the report": ({"prompt_tokens_details": {"cached_tokens": 2}}, {}),
    "a fingerprint behind the report": ({}, {"system_fingerprint": "vllm-1"}),
    "an object behind the report": ({}, {"more": {"a": 1}}),
    "both": ({"prompt_tokens_details": {"cached_tokens": 2}}, {"more": {"a": 1}}),
}
"""What an engine adds within its report and behind it."""


def shaped(text: str, completion: int, shape: str, *, usage: bool = True) -> bytes:
    within, behind = SHAPES[shape]
    whole = {"id": "x", "choices": [{"index": 0, "text": text, "logprobs": None}]}
    if usage:
        whole["usage"] = {"prompt_tokens": 5, "completion_tokens": completion, **within}
    return b"data: " + json.dumps({**whole, **behind}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


@given(st.lists(st.tuples(TEXT, st.sampled_from(sorted(SHAPES))), min_size=1, max_size=8), st.integers(1, 3))
def test_whatever_shape_the_events_take_each_goes_on_without_its_report_and_is_counted(
    told: list[tuple[str, str]], together: int
) -> None:
    one = meter()
    for start in range(0, len(told), together):
        few = list(enumerate(told))[start : start + together]
        out = one.feed(b"".join(shaped(text, i + 1, shape) for i, (text, shape) in few))
        assert out == b"".join(shaped(text, 0, shape, usage=False) for _, (text, shape) in few)
        last, (_, shape) = few[-1]
        assert one.counts == (5, last + 1, 2 if SHAPES[shape][0] else 0)


@pytest.mark.parametrize(
    ("odd", "left"),
    [
        (event("b", 2) + event("c", 3), event("b", 0, usage=False) + event("c", 0, usage=False)),
        (event("b", 2)[:-1], b""),
        (event("b", 2)[:-1] + b"x", b""),
        (b'data: {"error":{"message":"EngineCore"},"usage":{"completion_tokens":2}}\n\n',
         b'data: {"error":{"message":"EngineCore"}}\n\n'),
        (event("b", 2).replace(b'[{"index":0', b'[],"x":[{"index":0'), b""),
    ],
    ids=["two at once", "half a line's end", "another byte in its place", "an error", "no choice"],
)  # fmt: skip
def test_after_events_that_are_all_alike_another_is_read_for_what_it_is(odd: bytes, left: bytes) -> None:
    one = meter()
    assert one.feed(event("a", 1)) == event("a", 0, usage=False)
    assert one.feed(event("a", 1)) == event("a", 0, usage=False)
    assert one.feed(odd) == left
    assert one.failed == (b"error" in odd)


def test_an_event_that_comes_after_half_of_one_does_not_overtake_it() -> None:
    one = meter()
    one.feed(event("a", 1))
    assert one.feed(event("b", 2)[:-2]) == b""
    assert one.feed(event("c", 3)) == event("b", 0, usage=False)[:-2] + event("c", 0, usage=False)
    assert one.counts == (5, 3, 0)


@given(st.integers(0, 12))
def test_a_cut_stream_is_counted_to_its_last_event(events: int) -> None:
    one = meter()
    for i in range(events):
        one.feed(event("a b c", 3 * (i + 1)))
    assert one.counts[:2] == ((5, 3 * events) if events else (0, 0))


def test_choices_are_summed_and_each_prompt_counts_once() -> None:
    one = meter(choices=4, per_prompt=2)
    for index, completion, prompt in ((0, 1, 7), (2, 1, 9), (0, 2, 7), (1, 4, 7), (3, 1, 9)):
        one.feed(event("t", completion, index=index, prompt=prompt))
    assert one.counts[:2] == (16, 8)


def test_what_was_asked_for_stays_as_it_is() -> None:
    sent = event("a", 1) + final(5, 1, 0) + DONE
    assert meter(final=True, field=True).feed(sent) == sent


def test_an_error_event_is_noticed() -> None:
    one = meter()
    one.feed(b'data: {"error": {"message": "EngineCore", "code": 500}}\n\n' + DONE)
    assert one.failed
    assert one.done


def test_an_event_without_end_is_given_up() -> None:
    one = meter()
    one.feed(b"x" * LONGEST_EVENT)
    with pytest.raises(EventTooLong):
        one.feed(b"x")


@given(st.binary(max_size=60))
def test_nothing_hangs_on_nonsense(noise: bytes) -> None:
    without_usage(b',"usage":{' + noise)
    usage_of(noise + b'"usage":{"prompt_tokens":1}')
    meter().feed(b"data: " + noise + b',"usage":{' + noise + b"\n\n")


def test_usage_of_an_answer() -> None:
    assert usage_of(b'{"choices":[{"text":"\\"usage\\":{}"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}') == (
        3,
        4,
        0,
    )
    assert usage_of(b'{"choices":[]}') is None
