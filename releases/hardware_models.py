"""Machines that people keep for the calculator."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class HardwareProfile(models.Model):
    """One machine of one person: kind and number of accelerators, split, price, power, grid."""

    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="hardware")
    name = models.CharField(max_length=60)
    settings = models.JSONField()
    """Parameters of the calculator's address: costs.inputs.HARDWARE."""
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = [Lower("name")]
        constraints = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                name="hardware_name_once",
                violation_error_message=_("You have one of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name
