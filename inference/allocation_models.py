"""Requests of projects for more query time, and what became of them."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference.allocation import DECIDED, Ground, Status

GROUNDS: Final = {
    Ground.CAPACITY: _("The servers have no room for it."),
    Ground.CASE: _("The case does not say what the tokens are for."),
    Ground.REPORT: _("It does not say what came of the use so far."),
    Ground.SCOPE: _("It goes beyond what access was granted for."),
    Ground.OTHER: _("Another reason, in words."),
}
TEXT_LIMIT: Final = 4_000
"""Characters of the case, of the report and of the answer."""


class AllocationRequest(models.Model):
    """A project asks its lab for a larger allowance until a day. What was asked never changes; what is granted may differ."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="allocation_requests")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=12, default=Status.SUBMITTED.value)
    tokens_per_period = models.PositiveBigIntegerField()
    """In all, from the decision to the end of `until`."""
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    """Null: as it is."""
    until = models.DateField()
    """The last day, in UTC."""
    case = models.TextField()
    published = models.TextField(blank=True)
    """What came of the use so far: titles and addresses."""
    sent_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ground = models.CharField(max_length=12, blank=True)
    """Why it was declined."""
    message = models.TextField(blank=True)
    """Said to the lead."""
    allowance = models.OneToOneField(
        "inference.Allowance", on_delete=models.PROTECT, null=True, blank=True, related_name="allocation_request"
    )
    """What was granted."""

    class Meta:
        ordering = ["-sent_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"], condition=Q(status=Status.SUBMITTED), name="allocation_request_one_open"
            ),
            models.CheckConstraint(name="allocation_request_status_known", condition=Q(status__in=list(Status))),
            models.CheckConstraint(
                name="allocation_request_closed_with_status",
                condition=Q(status=Status.SUBMITTED, closed_at=None)
                | (~Q(status=Status.SUBMITTED) & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="allocation_request_decided_by_somebody_else",
                condition=(
                    Q(status__in=sorted(DECIDED), decided_by__isnull=False) & ~Q(decided_by=models.F("asked_by"))
                )
                | (~Q(status__in=sorted(DECIDED)) & Q(decided_by=None)),
            ),
            models.CheckConstraint(
                name="allocation_request_granted_with_an_allowance",
                condition=Q(status=Status.GRANTED, allowance__isnull=False)
                | (~Q(status=Status.GRANTED) & Q(allowance=None)),
            ),
            models.CheckConstraint(
                name="allocation_request_declined_with_a_ground",
                condition=Q(status=Status.DECLINED, ground__in=list(Ground))
                | (~Q(status=Status.DECLINED) & Q(ground="")),
            ),
            models.CheckConstraint(name="allocation_request_asks_for_some", condition=Q(tokens_per_period__gt=0)),
        ]
        indexes = [models.Index(fields=["project", "-sent_at"], name="allocation_request_of_project")]

    def __str__(self) -> str:
        return f"allocation request of {self.project}, {self.status}"

    def get_absolute_url(self) -> str:
        """Its page, for the project and the lab alike."""
        return reverse("inference:allocation_request", args=[self.pk])

    @property
    def tokens(self) -> int | None:
        """In all: as granted, where it was, else as asked."""
        return self.allowance.tokens_per_period if self.allowance else self.tokens_per_period

    @property
    def last_day(self) -> date:
        """The last day, in UTC, as granted, where it was, else as asked."""
        return (self.allowance.last_day if self.allowance else None) or self.until

    @property
    def ground_words(self) -> str:
        """Why it was declined, in words."""
        return str(GROUNDS[Ground(self.ground)]) if self.ground else ""
