"""Misuse signals: what a rule found in a day's metadata, and what the lab's managers made of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format

from inference.misuse import RULES, Rule
from inference.signal_states import State


class Signal(models.Model):
    """One rule, one project, one model, one day. Figures alone: the ledger has no content to show."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="signals")
    """Whose model it is, and so whose managers see it."""
    rule = models.CharField(max_length=20, choices=[(name, name) for name in RULES])
    project_id = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    day = models.DateField()
    figures = models.JSONField()
    state = models.CharField(max_length=10, default=State.OPEN, choices=[(s.value, s.value) for s in State])
    note = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    raised_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-day", "rule", "pk"]
        indexes = [models.Index(fields=["lab", "state", "-day"], name="signal_of_lab")]
        constraints = [
            models.UniqueConstraint(fields=["rule", "project_id", "model", "day"], name="signal_once"),
            models.CheckConstraint(condition=Q(rule__in=list(RULES)), name="signal_rule_known"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in State]), name="signal_state_known"),
            models.CheckConstraint(
                condition=Q(state=State.OPEN) | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="signal_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.DISMISSED) | ~Q(note=""), name="signal_dismissed_with_note"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.project_id} {self.day}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("inference:signal", args=[self.pk])

    @property
    def of(self) -> Rule:
        """The rule that found it."""
        return RULES[self.rule]

    @property
    def words(self) -> str:
        """What was found, as a sentence."""
        return str(self.of.found) % {
            name: number_format(figure, force_grouping=True) for name, figure in self.figures.items()
        }
