"""The digest: everything that somebody has once a day, as counts and links in one mail."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import reverse
from django.utils import translation

from portal.mail import pacing, registry, sending
from portal.mail.models import DigestHour, Waiting
from portal.mail.registry import Topic

if TYPE_CHECKING:
    from portal.people.models import User

SHOWN: Final = 20
"""Links under one topic; the rest is a number."""


def due(now: datetime) -> list[User]:
    """Whoever has something waiting, whose hour has come today, and who had no digest today. Two queries."""
    people = get_user_model().objects.filter(pk__in=Waiting.objects.values("user"))
    hours = {row.user_id: row for row in DigestHour.objects.filter(user__in=people)}
    return [user for user in people if _is_due(hours.get(user.pk, DigestHour(user=user)), now)]


@transaction.atomic
def send(*, user: User, now: datetime) -> bool:
    """Send somebody what waits, in one mail; False where there is nothing, or where today's digest was sent."""
    DigestHour.objects.get_or_create(user=user)
    hour = DigestHour.objects.select_for_update().get(user=user)
    rows = list(Waiting.objects.select_for_update().filter(user=user))
    if not rows or not _is_due(hour, now):
        return False
    Waiting.objects.filter(pk__in=[row.pk for row in rows]).delete()
    hour.last_on = _local(hour, now).date()
    hour.save(update_fields=["last_on"])
    if user.is_active:
        _write(user, rows)
    return True


def _write(user: User, rows: list[Waiting]) -> None:
    with translation.override(user.language):
        context = {
            "name": user.get_full_name(),
            "total": len(rows),
            "groups": _groups(rows),
            "path": reverse("people:me"),
            "stop_url": pacing.stop_url(user, Topic.DIGEST),
        }
    sending.send(to=user.email, template="digest", context=context, key=f"digest:{user.pk}", language=user.language)


def _groups(rows: list[Waiting]) -> list[dict[str, Any]]:
    order = list(Topic)
    topics = [(order.index(_topic(row)), row) for row in rows]
    topics.sort(key=lambda pair: (pair[0], pair[1].pk))
    groups = []
    for number, pairs in groupby(topics, key=lambda pair: pair[0]):
        found = [row for _number, row in pairs]
        links = [{"subject": row.subject, "path": row.path} for row in found[:SHOWN]]
        label = str(order[number].label)
        groups.append({"label": label, "count": len(found), "links": links, "more": max(0, len(found) - SHOWN)})
    return groups


def _topic(row: Waiting) -> Topic:
    """What it is about; of a letter that an earlier version had, no more than that it waited for the digest."""
    try:
        return registry.letter(row.letter).topic
    except LookupError:
        return Topic.DIGEST


def _is_due(hour: DigestHour, now: datetime) -> bool:
    local = _local(hour, now)
    return local.hour >= hour.hour and hour.last_on != local.date()


def _local(hour: DigestHour, now: datetime) -> datetime:
    """The reader's time; UTC where their zone is none any more: systems drop old names of zones."""
    try:
        zone = zoneinfo.ZoneInfo(hour.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = zoneinfo.ZoneInfo("UTC")
    return now.astimezone(zone)
