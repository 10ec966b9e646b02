"""That a project was told how much of its allowance it had used."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AllowanceAlert(models.Model):
    """One share of one period's tokens that a project had used. The constraint is what makes the mail go once."""

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="allowance_alerts")
    period = models.CharField(max_length=40)
    """Its name, as the limits have it: a new allowance and a new month begin a new one."""
    share = models.PositiveSmallIntegerField()
    """Percent."""
    used = models.BigIntegerField()
    limit = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["project", "period", "share"], name="allowance_alert_once"),
            models.CheckConstraint(condition=Q(share__in=[80, 100]), name="allowance_alert_share_known"),
        ]

    def __str__(self) -> str:
        return f"{self.project}, {self.period}: {self.share} %"
