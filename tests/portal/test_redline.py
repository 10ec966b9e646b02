"""A redline tells the truth: from it both texts come back to the letter, and a reader finds what changed."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from portal.agreements.redline import Run, after, before, redline, stretches

OLD = """# Noncommercial Research Agreement

1. Research only. You may not sell the model.

2. No passing on of weights.

## Term

3. Access ends after a year.
"""
NEW = """# Noncommercial Research Agreement

1. Research only. You may not sell or rent out the model.

## Term

3. Access ends after a year.

4. Delete every copy when access ends.
"""

words = st.sampled_from(
    ["model", "weights", "the", "may", "not", "copy", "1.", "—", "naïve", "don’t", ",", "# Term", "  "]
)
paragraphs = st.lists(words, max_size=12).map(" ".join)
gaps = st.sampled_from(["\n\n", "\n", "\n \n", "\n\n\n", "\r\n\r\n"])
agreements = st.lists(st.tuples(paragraphs, gaps), max_size=8).map(lambda pairs: "".join(p + g for p, g in pairs))
texts = agreements | st.text(max_size=200)


@given(texts, texts)
def test_applied_to_the_old_text_it_gives_the_new_one(old, new):
    blocks = redline(old, new)
    assert before(blocks) == old
    assert after(blocks) == new


@given(texts)
def test_a_text_against_itself_shows_no_change(text):
    assert not any(block.changed for block in redline(text, text))


@given(agreements, agreements)
def test_where_no_change_is_shown_both_texts_say_the_same(old, new):
    if not any(block.changed for block in redline(old, new)):
        assert old.split() == new.split()


def test_words_are_marked_inside_an_edited_paragraph():
    edited = next(block for block in redline(OLD, NEW) if block.changed)
    assert edited.runs == (
        Run("same", "1. Research only. You may not sell "), Run("ins", "or rent out "), Run("same", "the model."),
    )  # fmt: skip


def test_a_word_before_a_change_stays_though_the_space_after_it_is_new():
    (block,) = redline("For research. Not for sale.", "For research and teaching. Not for sale.")
    assert block.runs == (
        Run("same", "For research"),
        Run("ins", " and teaching"),
        Run("same", ". Not for sale."),
    )


def test_a_paragraph_that_went_and_one_that_came_are_marked_whole():
    runs = [block.runs for block in redline(OLD, NEW) if block.changed]
    assert (Run("del", "2. No passing on of weights."),) in runs
    assert (Run("ins", "4. Delete every copy when access ends."),) in runs


def test_paragraphs_that_share_little_are_not_woven_together():
    blocks = redline("The holder deletes every copy.\n", "Disputes are heard in Tartu, by three people.\n")
    assert [block.runs[0].kind for block in blocks] == ["del", "ins"]


def test_a_comma_between_two_changes_is_part_of_them():
    (block,) = redline(
        "The lab may end, with notice, any such grant early.", "The lab may stop, upon notice, any such grant early."
    )
    assert "," not in {run.text.strip() for run in block.runs}


def test_headings_lose_their_marks_on_the_page_and_keep_them_in_the_record():
    first = redline(OLD, NEW)[0]
    assert first.heading
    assert first.shown == (Run("same", "Noncommercial Research Agreement"),)
    demoted = redline("## Term of access\n", "Term of access\n")
    assert not demoted[0].heading, "half a heading is shown as it was written"


def test_what_did_not_change_can_be_left_out_and_counted():
    shape = [(stretch.changed, len(stretch.blocks)) for stretch in stretches(redline(OLD, NEW))]
    assert shape == [(False, 1), (True, 2), (False, 2), (True, 1)]


def test_long_and_hostile_texts_are_compared_in_reasonable_time():
    begin = time.process_time()
    redline("a b " * 12_000, "b a " * 12_000)
    redline("a\n\nb\n\n" * 9_000, "b\n\na\n\n" * 9_000)
    assert time.process_time() - begin < 2
