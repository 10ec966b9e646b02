"""What search engines are told: which pages there are, and which are none of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps import views as sitemaps
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from releases.models import Family, Model

_HOME: Final = urlsplit(settings.BASE_URL)
PRIVATE: Final = ("/admin/", "/account/", "/api/", "/me/", "/search/", "/v1/", "/*/resolve/", "/*/download/", "/*?")
"""Addresses that answer programs, or one person, or show the same in another order."""


class _Ours(Sitemap[Any]):
    """Pages at the portal's own address, whatever the request was sent to."""

    protocol = _HOME.scheme
    limit = 20_000

    def get_domain(self, site: object = None) -> str:
        """The host that the portal is known by."""
        return _HOME.netloc


class Pages(_Ours):
    """Those that are there without any model."""

    def items(self) -> list[str]:
        """Names of addresses."""
        return ["releases:catalogue", "people:help", "access:numbers"]

    def location(self, item: str) -> str:
        """The address."""
        return reverse(item)


class Families(_Ours):
    """Families that the catalogue lists."""

    def items(self) -> QuerySet[Family]:
        """The oldest first, so that a part of a long map stays what it was."""
        return Family.objects.listed().select_related("lab").order_by("pk")

    def lastmod(self, item: Family) -> datetime:
        """When it last changed."""
        return item.changed_at


class Models(_Ours):
    """Models that are published; gated ones too, for their cards are public."""

    def items(self) -> QuerySet[Model]:
        """The oldest first."""
        return (
            Model.objects.published().select_related("lab", "main").defer("main__folders").order_by("opened_at", "pk")
        )

    def lastmod(self, item: Model) -> datetime | None:
        """When its present revision was published."""
        return item.main.published_at if item.main else None


MAPS: Final[dict[str, type[_Ours]]] = {"pages": Pages, "families": Families, "models": Models}


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """RFC 9309; the stars are known to all large search engines. Every page of every map is named, for want of an index;
    of two rules that fit, the longer holds."""
    lines = [
        "User-agent: *",
        "Allow: /sitemap/",
        *(f"Disallow: {path}" for path in PRIVATE),
        *(f"Sitemap: {one}" for one in _maps()),
        "",
    ]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


def _maps() -> Iterator[str]:
    for section, kind in MAPS.items():
        place = f"{settings.BASE_URL}{reverse('releases:sitemap', args=[section])}"
        for page in kind().paginator.page_range:
            yield place if page == 1 else f"{place}?p={page}"


@require_safe
def sitemap(request: HttpRequest, section: str) -> HttpResponse:
    """One of the maps (sitemaps.org, where a file may hold 50,000 addresses). 404 for another name, and past its last page."""
    return sitemaps.sitemap(request, {**MAPS}, section)
