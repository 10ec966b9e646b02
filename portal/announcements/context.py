"""What every page tells of."""

from __future__ import annotations

from typing import Any, Final, cast

from django.core.cache import caches
from django.http import HttpRequest

from portal.announcements.actions import KEPT
from portal.announcements.models import Announcement

FRESH_S: Final = 10
"""So long a process tells what it knows: an announcement is on every page within it."""
TELLING: Final = frozenset({"announcements", "inference:status"})
"""Pages that tell of them themselves."""
MOST: Final = 3
"""More than these would push the page away; the list has all."""


def above(request: HttpRequest) -> dict[str, Any]:
    """`announcements`: those to show above a page, the first of them; on the pages that tell of them themselves, none."""

    def told() -> list[Announcement]:
        match = request.resolver_match
        return [] if match is not None and {match.namespace, match.view_name} & TELLING else now()

    return {"announcements": told}


def now() -> list[Announcement]:
    """The first of what goes on or begins within a week, a few seconds old."""
    kept = caches["process"].get(KEPT)
    if kept is None:
        kept = list(Announcement.objects.told()[:MOST])
        caches["process"].set(KEPT, kept, FRESH_S)
    return cast("list[Announcement]", kept)
