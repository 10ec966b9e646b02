"""What the run of Hugging Face's own tests says, held against the list of those that must fail."""

from __future__ import annotations

import pytest

from tests.contract.suite.expected import Expected

KNOWN = Expected(["test_a.py"], {"test_a.py::T::test_one[x/1-None]": "no pull requests"})
ONE = "test_a.py::T::test_one[x/1-None]"


@pytest.mark.parametrize(
    ("results", "word"),
    [
        ({ONE: "Error: 501"}, ""),
        ({ONE: "skipped"}, ""),
        ({ONE: "Error: 501", "test_a.py::T::test_two": "boom"}, "UNEXPECTED FAILURE test_a.py::T::test_two: boom"),
        ({ONE: "passed"}, "UNEXPECTED PASS"),
        ({"test_a.py::T::test_two": "passed"}, "NOT RUN"),
    ],
)
def test_only_what_is_listed_may_fail(results: dict[str, str], word: str) -> None:
    report = KNOWN.compare(results, whole=True)
    assert report.as_expected is (word == "")
    assert word in "\n".join(report.lines)


def test_a_run_of_nothing_is_no_success() -> None:
    assert not Expected(["test_a.py"], {}).compare({}, whole=False).as_expected


def test_a_part_may_leave_listed_tests_out() -> None:
    assert KNOWN.compare({"test_a.py::T::test_two": "passed"}, whole=False).as_expected


def test_every_listed_test_is_among_those_that_are_run_and_has_a_reason() -> None:
    known = Expected.read()
    for test, reason in known.reasons.items():
        assert any(test.startswith(part) for part in known.selection), test
        assert len(reason) > 20
