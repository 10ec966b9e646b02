"""What answers a reader's words: families and models first by name, then by card; entries of logbooks by weight."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.core.paginator import Page, Paginator
from django.db.models import Case, F, When
from django.utils.safestring import SafeString

from releases.logbook_models import SEARCH, Entry, Logbook
from releases.models import Family, Model
from releases.search.marking import headline, marked
from releases.search_models import Findable

WORDS_MAX: Final = 200
"""Characters of a question; the rest is left off."""
PAGE: Final = 20
WEIGHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Release:
    """A family or a model that answers."""

    subject: Family | Model
    snippet: SafeString
    """Of its card, what answers; empty where its names do."""

    @property
    def summary(self) -> str:
        """What it says of itself."""
        return self.subject.summary

    @property
    def kind(self) -> str:
        """`family` or `model`."""
        return "family" if isinstance(self.subject, Family) else "model"


def question(words: str) -> SearchQuery:
    """The words as PostgreSQL reads them: "a phrase", or, -without."""
    return SearchQuery(words[:WORDS_MAX], config=SEARCH, search_type="websearch")


def releases(words: str, page: str | int) -> Page[Any]:
    """A page of Release: those whose names answer, the best first, then those whose card does."""
    query = question(words)
    found = Findable.objects.public().filter(words=query)
    named = found.annotate(named=Case(When(by_name=query, then=SearchRank(F("by_name"), query)), default=-1.0))
    ordered = named.order_by("-named", "pk")
    shown: Page[Any] = Paginator(ordered.values_list("pk", flat=True), PAGE).get_page(page)
    rows = (
        Findable.objects.filter(pk__in=list(shown.object_list))
        .select_related("family__lab", "model__lab")
        .annotate(found=headline("card", query))
        .in_bulk()
    )
    shown.object_list = [_release(rows[pk]) for pk in shown.object_list]
    return shown


def _release(row: Findable) -> Release:
    subject = row.family or row.model
    assert subject is not None  # noqa: S101 the row has one of them
    return Release(subject, marked(row.found))  # type: ignore[attr-defined]  # annotated


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of a logbook that answers."""

    entry: Entry
    snippet: SafeString


@dataclass(frozen=True, slots=True)
class Entries:
    """A page of entries, and what the weighed ones are of."""

    page: Page[Any]
    """Of Told."""
    weighed: int
    """How many answered and were weighed: at most WEIGHED."""
    logbooks: list[tuple[Logbook, int]]
    """Those that they are in, the fullest first."""
    kinds: list[tuple[str, int]]

    @property
    def more(self) -> bool:
        """Whether others may answer that were not weighed."""
        return self.weighed == WEIGHED


def entries(words: str, page: str | int, *, logbook: int | None = None, kind: str = "") -> Entries:
    """Entries that answer, the best first; at most WEIGHED of them are looked at, so that a common word costs no more."""
    query = question(words)
    found = Entry.objects.filter(logbook__in=Logbook.objects.visible_to(None), words=query)
    found = found.filter(logbook=logbook) if logbook else found
    found = found.filter(kind=kind) if kind else found
    rank = SearchRank(F("words"), query)
    weighed = list(found.annotate(rank=rank).values_list("pk", "rank", "logbook", "kind")[:WEIGHED])
    weighed.sort(key=lambda row: (-row[1], row[0]))
    shown: Page[Any] = Paginator([pk for pk, *_ in weighed], PAGE).get_page(page)
    rows = (
        Entry.objects.filter(pk__in=shown.object_list)
        .select_related("run", "logbook__family__lab", "logbook__model__lab")
        .annotate(found=headline("text", query))
        .in_bulk()
    )
    # One may have been taken back since it was weighed.
    shown.object_list = [Told(rows[pk], marked(rows[pk].found)) for pk in shown.object_list if pk in rows]  # type: ignore[attr-defined]  # annotated
    books = Counter(book for _pk, _rank, book, _kind in weighed)
    named = Logbook.objects.in_bulk(list(books))
    return Entries(
        shown, len(weighed), [(named[pk], n) for pk, n in books.most_common()],
        Counter(kind for *_, kind in weighed).most_common(),
    )  # fmt: skip
