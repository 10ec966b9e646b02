"""What others report who measured a score again."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from releases.evaluation_verdicts import COUNTED, Arithmetic, State, Verdict, weigh

STATES = {
    State.REPORTED.value: _("not looked at by the lab yet"),
    State.ACCEPTED.value: _("accepted by the lab"),
    State.QUESTIONED.value: _("questioned by the lab"),
    State.WITHDRAWN.value: _("withdrawn"),
}
VERDICTS = {Verdict.REPRODUCED.value: _("reproduced"), Verdict.DIFFERS.value: _("differs")}


class ReproductionQuerySet(models.QuerySet["Reproduction"]):
    """Reports by what counts."""

    def shown(self) -> ReproductionQuerySet:
        """All but those that their reporters took back."""
        return self.exclude(state=State.WITHDRAWN)

    def counted(self) -> ReproductionQuerySet:
        """Those that count for or against a score."""
        return self.filter(state__in=COUNTED, same_harness=True)


class Reproduction(models.Model):
    """Somebody outside the lab measured a score again: with what, what came out, and the verdict by their own tolerance."""

    score = models.ForeignKey("releases.Score", on_delete=models.CASCADE, related_name="reproductions")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="reproductions"
    )
    """Null once the person was erased; the report stays."""
    value = models.FloatField()
    stderr = models.FloatField(null=True, blank=True)
    n = models.BigIntegerField(null=True, blank=True)
    tolerance = models.FloatField()
    """The largest difference that the reporter takes for the same, in the score's unit."""
    harness = models.CharField(max_length=120)
    harness_version = models.CharField(max_length=120, blank=True)
    same_harness = models.BooleanField()
    """Whether it is the score's own harness; with another it is a measurement of its own, and counts for neither side."""
    weights = models.CharField(max_length=64, blank=True, db_collation="C")
    environment = models.TextField()
    command = models.TextField()
    note = models.TextField(blank=True)
    verdict = models.CharField(max_length=12, choices=list(VERDICTS.items()))
    state = models.CharField(max_length=12, choices=list(STATES.items()), default=State.REPORTED.value)
    reported_at = models.DateTimeField(default=timezone.now)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    review_note = models.TextField(blank=True)
    """What the lab says to it, for everybody."""

    objects: ClassVar[models.Manager[Reproduction]] = ReproductionQuerySet.as_manager()

    class Meta:
        ordering = ["-reported_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["score", "by"], name="reproduction_once_each", condition=~Q(state="withdrawn")
            ),
            models.CheckConstraint(
                name="reproduction_state_known", condition=Q(state__in=[each.value for each in State])
            ),
            models.CheckConstraint(
                name="reproduction_verdict_known", condition=Q(verdict__in=[each.value for each in Verdict])
            ),
            models.CheckConstraint(
                name="reproduction_numbers_make_sense",
                condition=Q(tolerance__gte=0) & (Q(stderr=None) | Q(stderr__gte=0)) & (Q(n=None) | Q(n__gte=1)),
            ),
            models.CheckConstraint(
                name="reproduction_questioned_with_note", condition=~Q(state="questioned") | ~Q(review_note="")
            ),
            models.CheckConstraint(
                name="reproduction_reviewed_at",
                condition=~Q(state__in=["accepted", "questioned"]) | Q(reviewed_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["score", "state"], name="reproduction_of_score")]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.score_id}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("releases:reproduction", args=[self.pk])

    @property
    def arithmetic(self) -> Arithmetic:
        """How its verdict came about."""
        return weigh(
            value=self.score.value, stderr=self.score.stderr, again=self.value, again_stderr=self.stderr,
            tolerance=self.tolerance,
        )  # fmt: skip
