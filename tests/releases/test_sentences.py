"""Sentences that are kept: whole after keeping, in the reader's numbers, and never a fault whatever was kept."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from releases.sentences import Sentence, restored
from releases.spoken import spoken

INNER = Sentence("holds %(held)s bytes", held=1_234_567)
WHOLE = Sentence(
    "%(path)s %(fault)s of %(names)s at %(share)s", path="a%b", fault=INNER, names="abcdefg", share=0.00839
)


def test_a_sentence_is_the_same_after_it_was_kept() -> None:
    assert restored(json.loads(json.dumps(WHOLE.kept()))) == WHOLE
    assert WHOLE.kept()["message"] == "a%b holds 1,234,567 bytes of abcdefg at 0.00839"


def test_numbers_stand_as_the_reader_writes_them() -> None:
    with translation.override("de"):
        assert spoken(WHOLE.kept()) == "a%b holds 1.234.567 bytes of abcdefg at 0,00839"


def test_of_a_long_list_the_first_few_are_named_and_no_more_are_kept() -> None:
    long = Sentence("%(steps)s are missing", steps=range(1000, 9000, 1000))
    assert str(long) == "1,000, 2,000, 3,000, 4,000, 5,000 and 3 more are missing"
    assert len(json.dumps(Sentence("%(n)s", n=range(10**5)).kept())) < 200
    assert restored(json.loads(json.dumps(long.kept()))) == long
    assert str(Sentence("%(links)s", links=["a"])) == "a"


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("Told before. 5 %", "Told before. 5 %"),
        ({"rule": "units", "message": "Told."}, "Told."),
        ({"message": "Told.", "text": "%(gone)s", "values": {}}, "Told."),
        ({"message": "Told.", "text": "5 %", "values": {"a": 1}}, "Told."),
        ({"message": "Told.", "text": "%(a)d", "values": {"a": "x"}}, "Told."),
        ({"message": "Told.", "text": "%(a)s", "values": [1]}, "Told."),
        ({"message": "Told.", "text": "%(a)9s", "values": {"a": "x"}}, "Told."),
        ({"message": "Told.", "text": "%(a)s", "values": {"a": {"named": 3, "more": 1}}}, "Told."),
        ({"message": "Told.", "text": "%(a)s", "values": {"a": {"text": "%(b)s"}}}, ""),
        ({}, ""),
        (None, "None"),
    ],
)
def test_what_was_never_kept_so_is_told_as_far_as_it_can_be(kept: object, said: str) -> None:
    assert spoken(kept) == said
