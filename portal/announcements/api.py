"""The announcements, for a program that asks before it blames itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from portal.announcements.models import Announcement, Kind
from portal.api.operations import Operation, Scoped


class RemarkShape(serializers.Serializer[Any]):
    """What was learned since."""

    at = serializers.DateTimeField()
    text = serializers.CharField()


class AnnouncementShape(serializers.Serializer[Any]):
    """One thing that everybody is told."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Kind.choices)
    title = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: until it is ended.")
    stands = serializers.ChoiceField(["now", "coming"])
    url = serializers.CharField(help_text="Its page.")
    remarks = RemarkShape(many=True)


class AnnouncementsShape(serializers.Serializer[Any]):
    """All that is not over."""

    announcements = AnnouncementShape(many=True)


class Announcements(Scoped):
    """`/api/v1/announcements`."""

    @Operation(name="listAnnouncements", tag="announcements", scopes=None, gives=AnnouncementsShape)
    def get(self, request: Request) -> dict[str, Any]:
        """Read what the operator tells everybody now: what goes on first, then what is to come. What is over is not in it."""
        now = timezone.now()
        return {
            "announcements": [
                _shape(announcement, now) for announcement in Announcement.objects.open().prefetch_related("remarks")
            ]
        }


def _shape(announcement: Announcement, now: datetime) -> dict[str, Any]:
    return {
        "id": announcement.pk, "kind": announcement.kind, "title": announcement.title, "text": announcement.text, "starts_at": announcement.starts_at,
        "ends_at": announcement.ends_at, "stands": announcement.stands(now), "url": f"{settings.BASE_URL}{announcement.get_absolute_url()}",
        "remarks": [{"at": remark.at, "text": remark.text} for remark in announcement.remarks.all()],
    }  # fmt: skip
