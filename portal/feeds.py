"""Atom feeds: what is new, for programs that ask again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.feedgenerator import Atom1Feed

from portal.xml_texts import sayable

NEWEST: Final = 50
"""Items of one feed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is new. `path` is its page here, and names it for good."""

    title: str
    path: str
    text: str
    at: datetime
    category: str
    author: str


def atom(request: HttpRequest, *, title: str, page: str, items: Iterable[Item]) -> HttpResponse:
    """The items as a feed of the page at this path, at the address that is asked for."""
    feed = Atom1Feed(
        title=sayable(title),
        link=settings.BASE_URL + page,
        description="",
        feed_url=f"{settings.BASE_URL}{request.path}",
    )
    for item in items:
        link = settings.BASE_URL + item.path
        feed.add_item(
            title=sayable(item.title), link=link, description=sayable(item.text), unique_id=link, pubdate=item.at,
            updateddate=item.at, categories=[item.category], author_name=sayable(item.author),
        )  # fmt: skip
    return HttpResponse(feed.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8")
