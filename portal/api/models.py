"""What the API answered to writes that carried an idempotency key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class KeptAnswer(models.Model):
    """One answer, to be given again when the same person sends the same write under the same key."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    """SHA-256 of the token, the method, the address and the key: one key may serve at two addresses."""
    fingerprint = models.CharField(max_length=64)
    """SHA-256 of what was sent."""
    status = models.PositiveSmallIntegerField()
    body: models.JSONField[Any] = models.JSONField()
    made_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="kept_answer_once")]

    def __str__(self) -> str:
        return f"{self.status} for {self.user_id}"
