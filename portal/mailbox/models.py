"""Mail that the demo kept instead of sending."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone


class Mail(models.Model):
    """One mail as it would have left: addresses, subject, both bodies."""

    to = ArrayField(models.EmailField())
    sender = models.CharField(max_length=254)
    subject = models.CharField(max_length=998)
    text = models.TextField()
    html = models.TextField(blank=True)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [GinIndex(fields=["to"], name="mail_to")]

    def __str__(self) -> str:
        return self.subject
