"""Receipts of queries: what the ledger says of one request, sealed when its owner first asks."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class QueryReceipt(models.Model):
    """A sealed copy of one row of the ledger, which never changes either. It names ids, never a person's name."""

    request_id = models.CharField(max_length=80, primary_key=True)
    user_id = models.CharField(max_length=64)
    document = models.JSONField()
    document_sha256 = models.CharField(max_length=64, unique=True)
    key_id = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=128, blank=True)
    """Ed25519 over the canonical document, base64; empty where the portal had no signing key."""
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-made_at"]
        indexes = [models.Index(fields=["user_id"], name="query_receipt_by_user")]

    def __str__(self) -> str:
        return self.request_id
