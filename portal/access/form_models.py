"""The versions of a gate's form."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class FormVersion(models.Model):
    """One version of a gate's form. Written once, by trigger; what was sent keeps its own copy as well."""

    gate = models.ForeignKey("access.Gate", on_delete=models.PROTECT, related_name="form_versions")
    version = models.PositiveIntegerField()
    form_spec = models.JSONField()
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Nobody for the versions that were there before versions were kept."""

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["gate", "version"], name="form_version_once")]

    def __str__(self) -> str:
        return f"form {self.version} of {self.gate_id}"
