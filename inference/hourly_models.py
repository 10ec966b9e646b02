"""Sums of the ledger by hour, kept beside those by day; and finer, so that one can cite and estimate from them."""

from __future__ import annotations

from django.db import models


class HourlyUsage(models.Model):
    """One hour (UTC) of one person's use in one project, by revision, pool, engine and outcome.

    Kept in the transaction that inserts the ledger's rows, from the inserted rows alone: see ledger.py. People and
    things are words, as in the ledger.
    """

    pk = models.CompositePrimaryKey(
        "hour", "project_id", "user_id", "model", "revision", "pool", "fingerprint", "status"
    )
    hour = models.DateTimeField()
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    revision = models.CharField(max_length=40)
    pool = models.CharField(max_length=160)
    fingerprint = models.CharField(max_length=120, blank=True)
    """Of the engine, as it gives it."""
    status = models.CharField(max_length=20)
    requests = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-hour"]
        indexes = [
            models.Index(fields=["project_id", "hour"], name="hourly_by_project"),
            models.Index(fields=["user_id", "hour"], name="hourly_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.project_id} {self.model}"
