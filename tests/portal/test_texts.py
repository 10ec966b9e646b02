"""What people write is kept as they meant it, or they are told what to do about it, field by field."""

from __future__ import annotations

import pytest

from portal import texts
from portal.errors import Invalid


def test_what_surrounds_a_text_is_left_out_and_its_lines_stay() -> None:
    assert texts.within(20, {"note": " First\r\nsecond\x00 \n"}) == {"note": "First\nsecond"}
    assert texts.needed(20, "note", " First ", missing="Write it.") == "First"
    assert texts.within(20, {"note": "   "}) == {"note": ""}, "empty where it may be"


def test_what_is_too_long_is_told_of_each_field_and_what_fits_of_none() -> None:
    fits, told = "x" * 1_500 + "\r\n" * 99 + "x", "Use at most 1,600 characters."
    with pytest.raises(Invalid) as refused:
        texts.within(1_600, {"a": fits, "b": "y" * 1_601, "c": "z" * 1_601})
    assert refused.value.fields == {"b": [told], "c": [told]}
    assert refused.value.message == told
    with pytest.raises(Invalid, match="The note is too long") as refused:
        texts.within(3, {"note": "four"}, wrong="The note is too long.")
    assert refused.value.fields == {"note": ["Use at most 3 characters."]}


@pytest.mark.parametrize("text", ["", "  \r\n ", "\x00"])
def test_what_is_missing_is_told_with_what_to_write(text: str) -> None:
    with pytest.raises(Invalid, match="Say why") as refused:
        texts.needed(20, "reason", text, missing="Say why.")
    assert refused.value.fields == {"reason": ["Say why."]}
