"""A person's wish to be erased, and the time for a change of mind."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class ErasureRequest(models.Model):
    """Asked, and then either cancelled or done."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="erasure_requests")
    requested_at = models.DateTimeField()
    due_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    """When it was cancelled or carried out; null while it waits."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="erasure_one_waiting", fields=["user"], condition=Q(ended_at=None)),
            models.CheckConstraint(name="erasure_done_has_ended", condition=Q(done=False) | Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} by {self.due_at:%Y-%m-%d}"
