"""What a lab's closing and its opening again leave to be written to people, and how far that is."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Turn(models.Model):
    """A lab was closed, or opened again, at one moment: everybody concerned is written to of it once."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    closed = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)
    told_to = models.UUIDField(null=True)
    """Whoever was written to last, in the order of their keys; null before the first, and once all were."""
    told_at = models.DateTimeField(null=True)
    """When the last of them was written to; null before."""

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["lab"], name="turn_to_tell", condition=models.Q(told_at=None))]

    def __str__(self) -> str:
        return f"{self.lab_id} {'closed' if self.closed else 'open again'}"
