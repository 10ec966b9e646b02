"""What happens to a grant after it is given: renewals, the lines of its history, and notices that were sent."""

from __future__ import annotations

import uuid
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from portal.access.lifetime import RenewalStatus

REPORT: Final = {
    "publications": _("Publications and releases"),
    "use_summary": _("What the access was used for"),
    "incidents": _("Incidents"),
    "changes": _("Changes in team or custody"),
}
"""The questions of a renewal's report, in order. Leaving all of them empty says that there is nothing to report."""
REPORT_LIMIT: Final = 4_000
"""Characters of one answer."""


class Renewal(models.Model):
    """The holder of a grant asks to go on, with a short report. What was reported never changes, by trigger."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    grant = models.ForeignKey("access.Grant", on_delete=models.PROTECT, related_name="renewals")
    status = models.CharField(max_length=12, default=RenewalStatus.SUBMITTED.value)
    publications = models.TextField(blank=True)
    use_summary = models.TextField(blank=True)
    incidents = models.TextField(blank=True)
    changes = models.TextField(blank=True)
    ends_from = models.DateTimeField()
    """The end of the grant as it was."""
    ends_to = models.DateTimeField(null=True, blank=True)
    """The end that was granted."""
    sent_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Who approved or declined; nobody when it passed without a review."""
    message = models.TextField(blank=True)
    """Said to the holder."""

    class Meta:
        ordering = ["-sent_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["grant"], condition=Q(status=RenewalStatus.SUBMITTED), name="renewal_one_open"
            ),
            models.CheckConstraint(name="renewal_status_known", condition=Q(status__in=list(RenewalStatus))),
            models.CheckConstraint(
                name="renewal_closed_with_status",
                condition=Q(status=RenewalStatus.SUBMITTED, closed_at=None)
                | (~Q(status=RenewalStatus.SUBMITTED) & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="renewal_extends_when_granted",
                condition=Q(status=RenewalStatus.GRANTED, ends_to__gt=F("ends_from"))
                | (~Q(status=RenewalStatus.GRANTED) & Q(ends_to=None)),
            ),
            models.CheckConstraint(
                name="renewal_declined_by_somebody_with_a_reason",
                condition=(Q(status=RenewalStatus.DECLINED, decided_by__isnull=False) & ~Q(message=""))
                | Q(status=RenewalStatus.GRANTED)
                | Q(
                    status__in=[RenewalStatus.SUBMITTED, RenewalStatus.WITHDRAWN, RenewalStatus.LAPSED], decided_by=None
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"renewal of {self.grant}, {self.status}"

    @property
    def unchanged(self) -> bool:
        """Whether there was nothing to report."""
        return not any(getattr(self, name) for name in REPORT)

    @property
    def answers(self) -> dict[str, str]:
        """The report by the names of its questions."""
        return {name: getattr(self, name) for name in REPORT}

    def report(self) -> list[tuple[str, str]]:
        """(question, answer) of what was reported."""
        return [(str(label), getattr(self, name)) for name, label in REPORT.items() if getattr(self, name)]


class GrantStep(models.Model):
    """One line of a grant's history, as the timeline shows it; the audit trail is the proof."""

    grant = models.ForeignKey("access.Grant", on_delete=models.CASCADE, related_name="steps")
    verb = models.CharField(max_length=24)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    message = models.TextField(blank=True)
    """Said to the holder."""

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["grant", "at"], name="step_of_grant")]

    def __str__(self) -> str:
        return self.verb


class Notice(models.Model):
    """One notice that was sent before a deadline of a grant. The constraint is what makes it once."""

    class Kind(models.TextChoices):
        """What the deadline is of."""

        EXPIRY = "expiry", _("the end of the grant")
        DELETION = "deletion", _("the deletion that is due")

    grant = models.ForeignKey("access.Grant", on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    deadline = models.DateTimeField()
    """A renewed grant has a new end, and so new notices."""
    days = models.PositiveSmallIntegerField()
    """The step: days before the deadline."""
    sent_at = models.DateTimeField()

    class Meta:
        ordering = ["sent_at"]
        constraints = [
            models.UniqueConstraint(fields=["grant", "kind", "deadline", "days"], name="notice_once"),
            models.CheckConstraint(name="notice_kind_known", condition=Q(kind__in=["expiry", "deletion"])),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.days} days before {self.deadline:%Y-%m-%d}"
