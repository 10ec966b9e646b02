"""The list of announcements, one of them, and the feed: for everybody, as the mark above each page is."""

from __future__ import annotations

from typing import Final

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal import feeds
from portal.announcements.models import Announcement
from portal.feeds import Item
from portal.mail.sending import moment

PAGE: Final = 30
OPEN: Final = 10
"""Of those that are not over, on one page: above what else it tells."""
AUTHOR: Final = "Weighbridge"


def opened(request: HttpRequest) -> Page[Announcement]:
    """What goes on and what is to come, as far as the page shows it; `open` in its address turns to others."""
    return Paginator(Announcement.objects.open().prefetch_related("remarks"), OPEN).get_page(request.GET.get("open"))


@require_safe
def announcements(request: HttpRequest) -> HttpResponse:
    """What goes on and what is to come, then what is over, page by page."""
    page = Paginator(Announcement.objects.over().prefetch_related("remarks"), PAGE).get_page(request.GET.get("page"))
    shown = opened(request) if page.number == 1 else None
    return render(request, "announcements/list.html", {"open": shown, "page": page})


@require_safe
def announcement(request: HttpRequest, pk: int) -> HttpResponse:
    """One announcement, with what was added to it."""
    found = get_object_or_404(Announcement.objects.prefetch_related("remarks"), pk=pk)
    return render(
        request, "announcements/announcement.html", {"announcement": found, "stands": found.stands(timezone.now())}
    )


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """The newest announcements and what was added to them, each an item of its own."""
    rows = Announcement.objects.order_by("-created_at", "-pk").prefetch_related("remarks")[: feeds.NEWEST]
    items = [item for found in rows for item in _items(found)]
    newest = sorted(items, key=lambda item: item.at, reverse=True)[: feeds.NEWEST]
    return feeds.atom(request, title=_("Announcements"), page=reverse("announcements:list"), items=newest)


def _items(announcement: Announcement) -> list[Item]:
    path, kind = announcement.get_absolute_url(), announcement.kind
    hours = _("From %(start)s.") % {"start": moment(announcement.starts_at)}
    if announcement.ends_at:
        hours = _("From %(start)s until %(end)s.") % {
            "start": moment(announcement.starts_at),
            "end": moment(announcement.ends_at),
        }
    title = f"{announcement.get_kind_display()}: {announcement.title}"
    whole = Item(title, path, f"{hours}\n\n{announcement.text}".strip(), announcement.created_at, kind, AUTHOR)
    added = [
        Item(title, f"{path}#remark-{one.pk}", one.text, one.at, kind, AUTHOR) for one in announcement.remarks.all()
    ]
    return [whole, *added]
