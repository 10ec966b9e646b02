"""Messages that an action leaves in its own transaction, to be delivered after the commit."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce


class Message(models.Model):
    """One thing to do. It is tried with growing pauses until it is delivered, or its topic's patience is over."""

    topic = models.CharField(max_length=60)
    key = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    next_attempt_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    """When its topic's patience was over: it is not tried again by itself, and the operator sees it in the admin."""
    ended_at = models.GeneratedField(
        expression=Coalesce("delivered_at", "failed_at"),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="outbox_one_end", condition=models.Q(delivered_at=None) | models.Q(failed_at=None)
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="outbox_due", condition=models.Q(ended_at=None)),
            models.Index(fields=["topic", "key"], name="outbox_pending", condition=models.Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"
