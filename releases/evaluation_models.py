"""Scores of revisions and of catalogue entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from releases.evaluation_metrics import Direction, Kind, Unit
from releases.evaluation_rows import NORMAL_95
from releases.evaluation_verdicts import Again

if TYPE_CHECKING:
    from portal.people.models import Lab


class ScoreQuerySet(models.QuerySet["Score"]):
    """Scores by who may see them, and with what they are drawn with."""

    def public(self) -> ScoreQuerySet:
        """Those of catalogue entries and of revisions that were published."""
        return self.filter(Q(revision=None) | Q(revision__published_at__isnull=False))

    def standing(self) -> ScoreQuerySet:
        """Those that were not withdrawn."""
        return self.filter(withdrawn_at=None)

    def of_model(self, pk: int) -> ScoreQuerySet:
        """Those of any revision of the model."""
        return self.filter(revision__model=pk)

    def of_family(self, pk: int) -> ScoreQuerySet:
        """Those of the family's entry, and of every model of it."""
        return self.filter(Q(family=pk) | Q(revision__model__family=pk))

    def drawn(self) -> ScoreQuerySet:
        """With what a table shows beside them, in one query."""
        return self.select_related("revision__model__lab", "family__lab")


KINDS = {
    Kind.CAPABILITY.value: _("capability"),
    Kind.BIAS.value: _("bias"),
    Kind.TOXICITY.value: _("toxicity"),
    Kind.PROBE.value: _("probe"),
}
DIRECTIONS = {
    Direction.HIGHER.value: _("higher is better"),
    Direction.LOWER.value: _("lower is better"),
    Direction.UNSTATED.value: _("direction not stated"),
}


class Score(models.Model):
    """One value of one metric on one task: of a revision, or of a subject of an entry that is hosted elsewhere.

    Never edited. One that is wrong is withdrawn with a reason, and another entered.
    """

    revision = models.ForeignKey(
        "releases.Revision", on_delete=models.CASCADE, null=True, blank=True, related_name="scores"
    )
    """Goes with a draft; what was published is held by its Publication."""
    family = models.ForeignKey(
        "releases.Family", on_delete=models.PROTECT, null=True, blank=True, related_name="scores"
    )
    subject = models.CharField(max_length=160, blank=True)
    """Of an entry: the size that was measured, or another system that the same source measured beside it."""
    beside = models.BooleanField(default=False)
    """Whether the subject is such another system."""
    kind = models.CharField(max_length=12, choices=list(KINDS.items()))
    task = models.CharField(max_length=160, db_collation="C")
    task_version = models.CharField(max_length=32, blank=True)
    metric = models.CharField(max_length=64, db_collation="C")
    """As the harness names it: `acc` and `acc_norm` are two."""
    variant = models.CharField(max_length=64, blank=True)
    """A harness's filter, or what else sets this value apart."""
    unit = models.CharField(max_length=8, choices=[(each.value, each.value) for each in Unit])
    direction = models.CharField(max_length=8, choices=list(DIRECTIONS.items()))
    value = models.FloatField()
    stderr = models.FloatField(null=True, blank=True)
    low = models.FloatField(null=True, blank=True)
    """With `high` a 95 % interval, where one was given."""
    high = models.FloatField(null=True, blank=True)
    n = models.BigIntegerField(null=True, blank=True)
    """Items that were measured."""
    shots = models.PositiveIntegerField(null=True, blank=True)
    prompt = models.CharField(max_length=300, blank=True)
    harness = models.CharField(max_length=120)
    harness_version = models.CharField(max_length=120, blank=True)
    ran_by = models.CharField(max_length=160)
    ran_on = models.DateField(null=True, blank=True)
    weights = models.CharField(max_length=64, blank=True, db_collation="C")
    """The weight id of what was measured."""
    raw_path = models.CharField(max_length=1024, blank=True)
    """The harness's own output, as a file of the revision."""
    raw_url = models.URLField(max_length=500, blank=True)
    source = models.CharField(max_length=300, blank=True)
    source_url = models.URLField(max_length=500, blank=True)
    note = models.CharField(max_length=500, blank=True)
    identity = models.CharField(max_length=64, db_collation="C")
    """Of what makes it the same score told again: releases.evaluation_rows."""
    entered_at = models.DateTimeField(default=timezone.now)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)

    again = Again()
    """How often others measured it again, where releases.evaluations.listing.with_again() has asked."""
    objects: ClassVar[models.Manager[Score]] = ScoreQuerySet.as_manager()

    class Meta:
        ordering = ["task", "metric", "variant", "harness", "harness_version", "shots", "prompt", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["identity"], name="score_once", condition=Q(withdrawn_at=None)),
            models.CheckConstraint(
                name="score_of_one_thing",
                condition=Q(revision__isnull=False, family=None, subject="", beside=False)
                | Q(revision=None, family__isnull=False) & ~Q(subject=""),
            ),
            models.CheckConstraint(name="score_says_by_what_and_whom", condition=~Q(harness="") & ~Q(ran_by="")),
            models.CheckConstraint(name="score_says_of_what", condition=~Q(task="") & ~Q(metric="")),
            models.CheckConstraint(name="score_kind_known", condition=Q(kind__in=[each.value for each in Kind])),
            models.CheckConstraint(name="score_unit_known", condition=Q(unit__in=[each.value for each in Unit])),
            models.CheckConstraint(
                name="score_direction_known", condition=Q(direction__in=[each.value for each in Direction])
            ),
            models.CheckConstraint(
                name="score_error_makes_sense",
                condition=(Q(stderr=None) | Q(stderr__gte=0))
                & (Q(low=None) | Q(high=None) | Q(low__lte=F("high")))
                & (Q(n=None) | Q(n__gte=1)),
            ),
            models.CheckConstraint(
                name="score_withdrawn_with_reason",
                condition=Q(withdrawn_at=None, withdrawn_reason="")
                | Q(withdrawn_at__isnull=False) & ~Q(withdrawn_reason=""),
            ),
        ]
        indexes = [
            models.Index(fields=["task", "metric", "variant"], name="score_of_task"),
            models.Index(fields=["revision", "task"], name="score_of_revision"),
            models.Index(fields=["family", "task"], name="score_of_family"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.metric} {self.value}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("releases:score", args=[self.pk])

    @property
    def lab(self) -> Lab:
        """Whose model or entry it is of."""
        owner = self.revision.model if self.revision else self.family
        assert owner is not None  # noqa: S101 one of them is set, by constraint
        return owner.lab

    @property
    def about(self) -> str:
        """What was measured, in words: `lab/name`, or an entry's subject."""
        return self.revision.model.full_name if self.revision else self.subject

    @property
    def short_source(self) -> str:
        """The source without what stands in brackets after its name."""
        return self.source.partition(" (")[0]

    @property
    def setting(self) -> tuple[object, ...]:
        """What two values must have in common to be compared."""
        return (
            self.metric, self.variant, self.task_version, self.harness, self.harness_version, self.shots, self.prompt
        )  # fmt: skip

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: as given, or from the standard error; None where neither is known."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if self.stderr is not None:
            return self.value - NORMAL_95 * self.stderr, self.value + NORMAL_95 * self.stderr
        return None
