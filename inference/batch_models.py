"""Batches, the files that they read and write, and the answers that came so far."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference.batch_lifecycle import LIVE, OVER, State

RESULTS = ("output_file", "error_file")
"""Fields of a batch that name what it wrote."""


class Purpose(models.TextChoices):
    """What a file is for; OpenAI's words."""

    BATCH = "batch", _("input")
    OUTPUT = "batch_output", _("output")


class BatchFile(models.Model):
    """One file of a project; its bytes lie in the store's drawer under its id, until it expires."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="batch_files")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=16, choices=Purpose)
    name = models.CharField(max_length=200)
    bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project", "-created_at"], name="batch_file_by_project"),
            models.Index(fields=["expires_at"], name="batch_file_by_end"),
        ]
        constraints = [
            models.CheckConstraint(name="batch_file_purpose_known", condition=Q(purpose__in=Purpose.values)),
            models.CheckConstraint(name="batch_file_has_bytes", condition=Q(bytes__gte=0)),
            models.CheckConstraint(name="batch_file_expires_later", condition=Q(expires_at__gt=F("created_at"))),
        ]

    def __str__(self) -> str:
        return self.wire_id

    @property
    def wire_id(self) -> str:
        """The id that clients see."""
        return f"file-{self.pk.hex}"


class BatchQuerySet(models.QuerySet["Batch"]):
    """Questions about batches."""

    def live(self) -> Self:
        """Those that something still follows."""
        return self.filter(state__in=LIVE)

    def silent(self, before: datetime) -> Self:
        """Live ones that no worker has told of since."""
        return self.live().filter(heard_at__lt=before)

    def enqueued_tokens(self) -> int:
        """The upper bound of what the live ones may use."""
        return int(self.live().aggregate(n=Sum("tokens_bound"))["n"] or 0)


class Batch(models.Model):
    """A file of requests to one model. `token` is the one it was made with: its rights are asked for every row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="batches")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey("tokens.AccessToken", on_delete=models.SET_NULL, null=True, related_name="batches")
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in State], default=State.VALIDATING.value)
    endpoint = models.CharField(max_length=40)
    model = models.CharField(max_length=200, blank=True)
    """Public name, once the file was read."""
    input_file = models.UUIDField()
    output_file = models.UUIDField(null=True, blank=True)
    error_file = models.UUIDField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    problems = models.JSONField(default=list, blank=True)
    """Why it failed: OpenAI's {code, line, message, param}."""
    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    tokens_bound = models.BigIntegerField(default=0)
    """Upper bound of the tokens of all rows, as estimated when the file was read."""
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    began_at = models.DateTimeField(null=True, blank=True)
    finalizing_at = models.DateTimeField(null=True, blank=True)
    cancelling_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    heard_at = models.DateTimeField(default=timezone.now)
    """When a worker last told of it, or was last called for."""
    met = models.JSONField(default=dict, blank=True)
    """Line → [seconds lost on engines, how often these broke], of rows that were tried in an earlier turn and have no answer."""

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project", "-created_at"], name="batch_by_project"),
            models.Index(fields=["heard_at"], name="batch_live", condition=Q(state__in=[s.value for s in LIVE])),
        ]
        constraints = [
            models.CheckConstraint(name="batch_state_known", condition=Q(state__in=[s.value for s in State])),
            models.CheckConstraint(
                name="batch_ended_once_over",
                condition=Q(state__in=[s.value for s in LIVE], ended_at=None)
                | Q(state__in=[s.value for s in OVER], ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="batch_began_before_it_ran",
                condition=~Q(state__in=["in_progress", "finalizing", "completed"]) | Q(began_at__isnull=False),
            ),
            models.CheckConstraint(
                name="batch_finalizing_before_completed",
                condition=~Q(state__in=["finalizing", "completed"]) | Q(finalizing_at__isnull=False),
            ),
            models.CheckConstraint(
                name="batch_cancelling_before_cancelled",
                condition=~Q(state__in=["cancelling", "cancelled"]) | Q(cancelling_at__isnull=False),
            ),
            models.CheckConstraint(
                name="batch_failed_with_problems",
                condition=Q(state="failed") & ~Q(problems=[]) | ~Q(state="failed") & Q(problems=[]),
            ),
            models.CheckConstraint(
                name="batch_counts_add_up",
                condition=Q(total__gte=F("completed") + F("failed"))
                & (~Q(state__in=["finalizing", "completed"]) | Q(total=F("completed") + F("failed"))),
            ),
        ]

    def __str__(self) -> str:
        return self.wire_id

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("inference:batch", args=[self.pk])

    def result_id(self, field: str) -> uuid.UUID:
        """What the file of one of RESULTS is called: it follows from the batch, so that a worker that comes again writes over it."""
        return uuid.uuid5(self.pk, field)

    @property
    def wire_id(self) -> str:
        """The id that clients see."""
        return f"batch_{self.pk.hex}"

    @property
    def is_live(self) -> bool:
        """Whether something still follows by itself."""
        return self.state in LIVE

    @property
    def answered(self) -> int:
        """Rows that have their answer, good or bad."""
        return self.completed + self.failed

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens of the answered rows."""
        return self.prompt_tokens + self.completion_tokens


class BatchAnswer(models.Model):
    """One row's line of the output or error file, kept here until all rows have theirs."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="answers")
    line = models.PositiveIntegerField()
    ok = models.BooleanField()
    record = models.BinaryField()

    class Meta:
        ordering = ["batch", "line"]
        constraints = [models.UniqueConstraint(name="batch_answer_once_per_row", fields=["batch", "line"])]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.line}"


class StandIn(models.Model):
    """The digest of a short-lived secret by which a worker asks the gateway for a batch's owner (ADR 18)."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="stand_ins")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["expires_at"]

    def __str__(self) -> str:
        return f"stand-in of {self.batch_id}"
