"""Planned work that is over: what everybody was told, and how it went."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.utils import timezone

from portal.announcements import actions
from portal.announcements.models import Announcement, Kind


def planned() -> Announcement:
    """The announcement of work in the night before the demo was filled. Safe to repeat."""
    told = Announcement.objects.first()
    if told is not None:
        return told
    night = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=22)
    told = actions.publish(
        kind=Kind.PLANNED,
        title="The object store moves to new disks",
        text="Downloads and uploads stop for two hours; what was begun goes on from where it broke off.\nQueries are not touched.",
        starts_at=night,
        ends_at=night + timedelta(hours=2),
        by=None,
    )
    actions.remark(
        announcement=told,
        text="Every file was read once more since, and has its digest.",
        by=None,
    )
    return told
