"""How often a row of a batch is sent again, by a clock of the test's own."""

from __future__ import annotations

import pytest

from inference.batches.tries import ENGINE_TRIES, PATIENCE_S, Tries


def body(code: str) -> dict:
    return {"error": {"code": code}}


DEAD, FULL, RATE = (503, body("unavailable")), (503, body("overloaded")), (429, body("rate_limit_exceeded"))
PAUSED = (503, body("paused"))


def until_given_up(tries: Tries, *, now: float, every: float = 10.0) -> float:
    """When a row that meets no engine is given up."""
    while tries.another(*DEAD, now=now, good=0):
        now += every
    return now


def test_a_row_is_given_up_after_a_quarter_of_an_hour_without_an_engine():
    assert until_given_up(Tries(0.0, 0), now=0.0) == PATIENCE_S


@pytest.mark.parametrize("waited", [FULL, RATE, PAUSED, (409, body("row_in_progress"))])
def test_hours_of_waiting_for_a_place_or_a_rate_take_no_patience_with_an_engine(waited):
    tries, now = Tries(0.0, 0), 0.0
    for _ in range(1000):
        now += 10.0
        assert tries.another(*waited, now=now, good=0)
    assert until_given_up(tries, now=now) == pytest.approx(now + PATIENCE_S, abs=10)


def test_what_a_row_met_in_one_turn_counts_in_the_next_however_long_it_waited_between():
    tries, now = Tries(0.0, 0), 0.0
    for _ in range(29):
        now += 10.0
        assert tries.another(*DEAD, now=now, good=0)
    met = tries.met(now=now + 10.0)
    assert met == [300.0, 0]
    later = Tries.after(met, now=50_000.0, good=0)
    assert until_given_up(later, now=50_000.0) == 50_000.0 + PATIENCE_S - 300.0


def test_where_a_row_waits_for_its_place_at_the_end_of_a_turn_nothing_is_lost_on_engines():
    tries = Tries(0.0, 0)
    assert tries.another(*DEAD, now=5.0, good=0)
    assert tries.another(*FULL, now=35.0, good=0)
    assert tries.met(now=99.0) == [5.0, 0]


def test_a_row_that_breaks_engines_is_given_up_over_turns_too():
    met: list[float] | None = None
    for turn in range(ENGINE_TRIES):
        tries = Tries.after(met, now=0.0, good=0)
        assert tries.another(502, body("upstream_error"), now=1.0, good=0) is (turn < ENGINE_TRIES - 1)
        met = tries.met(now=1.0)


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ((200, {}), False), ((400, body("invalid_request")), False), ((401, body("token_revoked")), False),
        ((401, body("stand_in_ended")), True), ((429, body("insufficient_quota")), False), (RATE, True),
        ((503, body("model_not_loaded")), True), ((408, {}), True), ((503, {"error": "x"}), True),
    ],
)  # fmt: skip
def test_what_opens_by_waiting_is_sent_again_and_nothing_else(answer, again):
    assert Tries(0.0, 0).another(*answer, now=1.0, good=0) is again
