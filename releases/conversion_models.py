"""Conversions: jobs that make other files of the same weights."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from releases.conversion_lifecycle import LIVE, Operation, Stage


class Conversion(models.Model):
    """One job: from files of one revision to another revision of the same model, with a receipt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, related_name="conversions")
    source = models.ForeignKey("releases.Revision", on_delete=models.PROTECT, related_name="conversions")
    branch = models.CharField(max_length=200)
    """Which one the result is committed to; `source` is its newest revision."""
    operation = models.CharField(max_length=12, choices=[(o.value, o.value) for o in Operation])
    options = models.JSONField(default=dict)
    files = models.JSONField(default=list)
    """Paths of the source files."""
    stage = models.CharField(max_length=12, choices=[(s.value, s.value) for s in Stage], default=Stage.QUEUED.value)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    began_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True)
    """When its worker last told of it, or was last called for."""
    ended_at = models.DateTimeField(null=True, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    """Bytes passed, and to be passed; 0 while that is not known."""
    log = models.JSONField(default=list, blank=True)
    """[time, line], oldest first."""
    problem = models.JSONField(null=True, blank=True)
    """Why it failed, or was cancelled where nobody chose to, for the publisher: a sentence as it is kept."""
    result = models.ForeignKey(
        "releases.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="made_by"
    )
    receipt = models.JSONField(null=True, blank=True)
    receipt_sha256 = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-asked_at"]
        constraints = [
            models.CheckConstraint(name="conversion_stage_known", condition=Q(stage__in=[s.value for s in Stage])),
            models.CheckConstraint(
                name="conversion_operation_known", condition=Q(operation__in=[o.value for o in Operation])
            ),
            models.CheckConstraint(
                name="conversion_done_with_receipt",
                condition=Q(stage="done", result__isnull=False, receipt__isnull=False)
                | ~Q(stage="done") & Q(result=None, receipt=None),
            ),
            models.CheckConstraint(
                name="conversion_ended_once_over",
                condition=Q(stage__in=[s.value for s in LIVE], ended_at=None)
                | ~Q(stage__in=[s.value for s in LIVE]) & Q(ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="conversion_failed_with_problem", condition=~Q(stage="failed") | Q(problem__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["source"], name="conversion_one_at_a_time", condition=Q(stage__in=[s.value for s in LIVE])
            ),
        ]
        indexes = [models.Index(fields=["heard_at"], name="conversion_heard", condition=Q(stage="running"))]

    def __str__(self) -> str:
        return f"{self.operation} {self.source_id}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("releases:conversion", args=[self.model.lab.slug, self.model.name, self.pk])

    @property
    def is_live(self) -> bool:
        """Whether it waits or runs."""
        return self.stage in LIVE
