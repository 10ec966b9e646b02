"""A lab's triage rules, by version."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from portal.access import triage


class RuleSet(models.Model):
    """One version of a lab's rules, for one of its gates or for all without their own. Written once, by trigger."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="rule_sets")
    gate = models.ForeignKey("access.Gate", on_delete=models.PROTECT, null=True, blank=True, related_name="rule_sets")
    version = models.PositiveIntegerField()
    """Counted through the whole lab, so that a number names one set; 1 is what every lab begins with."""
    text = models.TextField()
    reason = models.CharField(max_length=200, blank=True)
    """Why it was made: for whoever compares versions later."""
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "version"], name="rule_set_version"),
            models.CheckConstraint(name="rule_set_after_the_first", condition=models.Q(version__gt=1)),
        ]

    def __str__(self) -> str:
        return f"rule set {self.version} of {self.lab}"

    def rules(self) -> list[triage.Rule]:
        """The rules of this version."""
        return triage.read(self.text)[0]
