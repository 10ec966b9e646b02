"""Words that were found, marked in the text around them, safe to show."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from releases.logbook_models import SEARCH

_BEGIN, _END = "\x02", "\x03"
WORDS: Final = 40
"""Of a text, how many are shown around what was found."""


def headline(column: str, query: SearchQuery) -> SearchHeadline:
    """The part of a text column that answers best, its words between marks: for the rows of one page, as it reads them."""
    return SearchHeadline(
        column, query, config=SEARCH, start_sel=_BEGIN, stop_sel=_END, max_words=WORDS, min_words=WORDS // 2, max_fragments=2,
        fragment_delimiter=" … ",
    )  # fmt: skip


def marked(text: str) -> SafeString:
    """The headline as HTML, the words found in <mark>; empty where nothing was found."""
    before, *found = text.split(_BEGIN)
    pairs = (piece.partition(_END)[::2] for piece in found)
    return format_html("{}{}", before, format_html_join("", "<mark>{}</mark>{}", pairs)) if found else SafeString()
