"""Evaluation runs: a task set, the batch that asks it of one revision, what came out, and the scores that were attached."""

from __future__ import annotations

import uuid
from typing import Self
from uuid import UUID, uuid5

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from inference.evaluation_lifecycle import STANDING, State

FILES = ("tasks", "answers", "receipts")
"""What a run keeps in the drawer: the task set, what each item came to, and the receipts of its requests."""
OUTCOME = ("scored", "attached", "discarded")


class EvaluationRunQuerySet(models.QuerySet["EvaluationRun"]):
    """Questions about runs."""

    def standing(self) -> Self:
        """Those that are under way, or wait for somebody's word."""
        return self.filter(state__in=STANDING)

    def running(self) -> Self:
        """Those whose batch is not scored yet."""
        return self.filter(state=State.RUNNING)

    def drawn(self) -> Self:
        """With what a page shows beside them."""
        return self.select_related("revision__model__lab", "owner", "project")


class EvaluationRun(models.Model):
    """One task set, asked of one revision by one batch. `digest` is the SHA-256 of the task set's file."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    revision = models.ForeignKey("releases.Revision", on_delete=models.CASCADE, related_name="evaluation_runs")
    """Goes with a draft; what was published is held by its Publication."""
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    """Whose rights and receipts they are."""
    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="+")
    batch = models.UUIDField(unique=True)
    """The batch goes a month after its end; its id stays."""
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in State], default=State.RUNNING.value)
    directly = models.BooleanField(default=False)
    """Attach without asking, where every item was marked."""
    task = models.CharField(max_length=160)
    type = models.CharField(max_length=20)
    licence = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, db_collation="C")
    items = models.PositiveIntegerField()
    weights = models.CharField(max_length=64, blank=True)
    """The weight id of the revision when it was begun."""
    marked = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=list, blank=True)
    """[{item, why}] of items that count for nothing: the first few; how many there are follows from the numbers."""
    results = models.JSONField(default=list, blank=True)
    """[{metric, value, stderr, n}]."""
    engine = models.CharField(max_length=200, blank=True)
    answers_sha256 = models.CharField(max_length=64, blank=True)
    receipts_sha256 = models.CharField(max_length=64, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    """Why it failed, or why its scores wait though they were to be attached directly."""
    created_at = models.DateTimeField(default=timezone.now)
    measured_at = models.DateTimeField(null=True, blank=True)
    """When its batch ended."""
    ended_at = models.DateTimeField(null=True, blank=True)
    scores = models.ManyToManyField("releases.Score", related_name="evaluation_runs", blank=True)

    objects = EvaluationRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["revision", "-created_at"], name="evaluation_of_revision")]
        constraints = [
            models.CheckConstraint(name="evaluation_state_known", condition=Q(state__in=[s.value for s in State])),
            models.UniqueConstraint(
                name="evaluation_once_at_a_time", fields=["revision", "digest"],
                condition=Q(state__in=[s.value for s in STANDING]),
            ),
            models.CheckConstraint(
                name="evaluation_scored_with_receipts",
                condition=~Q(state__in=OUTCOME)
                | ~Q(receipts_sha256="") & ~Q(results=[]) & Q(marked__gt=0, measured_at__isnull=False),
            ),
            models.CheckConstraint(name="evaluation_counts_add_up", condition=Q(items__gte=F("marked"))),
            models.CheckConstraint(name="evaluation_failed_with_reason", condition=~Q(state="failed") | ~Q(problem="")),
            models.CheckConstraint(
                name="evaluation_ended_once_over",
                condition=Q(state__in=[s.value for s in STANDING], ended_at=None)
                | ~Q(state__in=[s.value for s in STANDING]) & Q(ended_at__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.task} {self.pk}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("inference:evaluation_run", args=[self.pk])

    @property
    def batch_wire_id(self) -> str:
        """The batch's id, as clients see it."""
        return f"batch_{self.batch.hex}"

    @property
    def unmarked(self) -> int:
        """Items that count for nothing."""
        return self.items - self.marked

    def drawer_name(self, file: str) -> str:
        """Where one of its FILES lies: it follows from the run, so that whoever comes again writes over it."""
        return drawer_name(self.pk, file)


def drawer_name(run: UUID, file: str) -> str:
    """The name in the drawer of one of a run's FILES."""
    return uuid5(run, f"evaluation {file}").hex
