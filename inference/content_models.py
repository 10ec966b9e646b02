"""Kept content: prompts and answers as the gateway sealed them, and who asked to open which of them."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from inference.disclosure import State


class KeptContentQuerySet(models.QuerySet["KeptContent"]):
    """What of it there still is."""

    def standing(self, now: datetime | None = None) -> KeptContentQuerySet:
        """Not past its time, whether or not the nightly purge has come by."""
        return self.filter(expires_at__gt=now or timezone.now())


class KeptContent(models.Model):
    """Prompt and answer of one query. Only the private key opens it, and no gateway has that."""

    request_id = models.CharField(max_length=64, primary_key=True)
    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    """Whose model was asked."""
    user_id = models.CharField(max_length=64)
    project_id = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    key = models.CharField(max_length=44)
    """The public key, base64."""
    sealed = models.BinaryField()
    kept_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    objects = KeptContentQuerySet.as_manager()

    class Meta:
        ordering = ["-kept_at"]
        indexes = [
            models.Index(fields=["lab", "project_id", "model"], name="kept_content_of_project"),
            models.Index(fields=["expires_at"], name="kept_content_expiry"),
        ]

    def __str__(self) -> str:
        return self.request_id


class Disclosure(models.Model):
    """Somebody of a lab asks to read content of one project, and somebody else allows it for a time, or does not."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    project_id = models.CharField(max_length=64)
    signal = models.ForeignKey(
        "inference.Signal", on_delete=models.SET_NULL, null=True, blank=True, related_name="disclosures"
    )
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    reason = models.TextField()
    state = models.CharField(max_length=10, default=State.ASKED, choices=[(s.value, s.value) for s in State])
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    """Until when the two may read; set when it is allowed."""
    tell_at = models.DateTimeField(null=True, blank=True)
    """When the project's members are told."""
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "pk"]
        indexes = [
            models.Index(fields=["lab", "-asked_at"], name="disclosure_of_lab"),
            models.Index(fields=["project_id"], name="disclosure_of_project"),
            models.Index(fields=["tell_at"], condition=Q(told_at=None), name="disclosure_to_tell"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=[s.value for s in State]), name="disclosure_state_known"),
            models.CheckConstraint(condition=~Q(decided_by=F("asked_by")), name="disclosure_by_two"),
            models.CheckConstraint(
                condition=Q(
                    state__in=[State.ALLOWED, State.CLOSED], decided_by__isnull=False, decided_at__isnull=False,
                    ends_at__isnull=False, tell_at__isnull=False,
                )
                | Q(state=State.DECLINED, decided_by__isnull=False, decided_at__isnull=False, ends_at=None, tell_at=None)
                | Q(state__in=[State.ASKED, State.WITHDRAWN], decided_by=None, decided_at=None, ends_at=None, tell_at=None),
                name="disclosure_allowed_by_somebody_for_a_time",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"disclosure {self.pk}, {self.state}"

    def get_absolute_url(self) -> str:
        """Its page, for the lab's managers."""
        return reverse("inference:disclosure", args=[self.pk])

    def is_open(self, now: datetime | None = None) -> bool:
        """Whether its two people may read now."""
        return self.state == State.ALLOWED and self.ends_at is not None and (now or timezone.now()) < self.ends_at


class DisclosedRequest(models.Model):
    """One request that a disclosure names."""

    disclosure = models.ForeignKey(Disclosure, on_delete=models.CASCADE, related_name="requests")
    request_id = models.CharField(max_length=64)

    class Meta:
        ordering = ["request_id"]
        constraints = [models.UniqueConstraint(fields=["disclosure", "request_id"], name="disclosed_request_once")]

    def __str__(self) -> str:
        return self.request_id
