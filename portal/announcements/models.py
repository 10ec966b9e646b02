"""A announcement is over by its own hours; what was learned meanwhile stands under it as remarks, and none of them is ever changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

AHEAD: Final = timedelta(days=7)
"""So long before it begins planned work is told on every page; on the list it stands from the first day on."""
TITLE: Final = 120
TEXT: Final = 4000
REMARK: Final = 2000
"""Characters of each."""


class Kind(models.TextChoices):
    """What an announcement is about."""

    PLANNED = "planned", _("planned work")
    DISTURBANCE = "disturbance", _("disturbance")
    NEWS = "news", _("news")


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    """Announcements by their hours, on the database's clock."""

    def open(self) -> AnnouncementQuerySet:
        """Those that are not over: what goes on, the latest first, and then what is to come, the next first."""
        rows = self.filter(Q(ends_at=None) | Q(ends_at__gt=Now()))
        begun = Case(When(starts_at__lte=Now(), then=F("starts_at")))
        return rows.order_by(begun.desc(nulls_last=True), "starts_at", "-pk")

    def disturbed(self) -> bool:
        """Whether a disturbance that was told of goes on."""
        return self.open().filter(kind=Kind.DISTURBANCE, starts_at__lte=Now()).exists()

    def told(self) -> AnnouncementQuerySet:
        """Those that every page tells of now."""
        return self.open().filter(starts_at__lte=Now() + AHEAD)

    def over(self) -> AnnouncementQuerySet:
        """Those that are over, the latest first."""
        return self.filter(ends_at__lte=Now()).order_by("-starts_at", "-pk")


class Announcement(models.Model):
    """One thing that the operator tells everybody. Without `ends_at` it goes on until it is ended."""

    kind = models.CharField(max_length=12, choices=Kind.choices)
    title = models.CharField(max_length=TITLE)
    text = models.TextField(blank=True, max_length=TEXT)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="announcement_kind_known", condition=Q(kind__in=Kind.values)),
            models.CheckConstraint(name="announcement_ends_after_it_starts", condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at"))),
            models.CheckConstraint(name="announcement_planned_has_an_end", condition=~Q(kind="planned") | Q(ends_at__isnull=False)),
        ]  # fmt: skip
        indexes = [models.Index(fields=["ends_at"], name="announcement_by_end")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its page, which stays when it is over."""
        return reverse("announcements:announcement", args=[self.pk])

    @property
    def within_a_day(self) -> bool:
        """Whether it begins and ends on one day of UTC, so that the day need be said once."""
        return self.ends_at is not None and self.starts_at.astimezone(UTC).date() == self.ends_at.astimezone(UTC).date()

    def stands(self, now: datetime) -> str:
        """`coming`, `now` or `over`, at that moment."""
        if self.starts_at > now:
            return "coming"
        return "over" if self.ends_at is not None and self.ends_at <= now else "now"


class Remark(models.Model):
    """What was learned since: "The cause is found.", "All is well again.\""""

    announcement = models.ForeignKey(Announcement, models.CASCADE, related_name="remarks")
    text = models.TextField(max_length=REMARK)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.announcement} {self.at:%Y-%m-%d %H:%M}"
