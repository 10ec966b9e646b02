"""Where a lab wants to be told, and what was sent there."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal.people.models import Lab
from portal.webhooks import signing


class SecretState(models.TextChoices):
    """Where the SECRET_KEY stands that the secret of an endpoint's owner came from."""

    PRESENT = "present", _("of the present key")
    FORMER = "former", _("of a former key")
    GONE = "gone", _("signs no more")


class Endpoint(models.Model):
    """One address of a lab. Its secret is derived (see signing), so that no copy of the database holds it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=60))
    failures = models.PositiveIntegerField(default=0)
    """Failed attempts since the last success."""
    failing_since = models.DateTimeField(null=True, blank=True)
    """When the first of them was."""
    secret_number = models.PositiveIntegerField(default=0)
    """How often the secret was rotated: each number derives another (see signing)."""
    rotated_at = models.DateTimeField(null=True, blank=True)
    """For a time after it, what is sent is signed with the secret before as well."""
    generation = models.CharField(max_length=16, default=signing.generation, editable=False)
    """Which SECRET_KEY the owner's secret came from (see signing)."""
    asked_generation = models.CharField(max_length=16, blank=True, editable=False)
    """The SECRET_KEY for whose sake the lab was asked to make a new secret."""
    created_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["lab"], name="webhook_live", condition=models.Q(stopped_at=None))]

    def __str__(self) -> str:
        return self.url

    def get_absolute_url(self) -> str:
        """Its page, with everything that was sent."""
        return reverse("webhooks:endpoint", args=[self.pk])

    @property
    def secret_state(self) -> SecretState:
        """Whether what is sent is signed with the owner's secret, and goes on to be."""
        present, *former = signing.generations()
        if self.generation == present:
            return SecretState.PRESENT
        return SecretState.FORMER if self.generation in former else SecretState.GONE


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    WAITING = "waiting", _("waiting")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")


class Delivery(models.Model):
    """One message to one address. Its id is the same in every attempt, so that a receiver can tell a repetition."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    body: models.JSONField[dict[str, Any]] = models.JSONField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    code = models.PositiveSmallIntegerField(null=True)
    """The last answer's status; null when there was none."""
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    tried_at = models.DateTimeField(null=True)
    """When the last attempt began."""

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["endpoint", "-created_at"], name="webhook_log")]
        constraints = [
            models.CheckConstraint(name="webhook_state_known", condition=models.Q(state__in=DeliveryState.values)),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint_id}"
