"""Planned openings, who is asked to approve them, and their history, which only grows."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from portal.people.models import Lab, Membership
from portal.switches.models import Switch, is_on
from releases.lifecycle import State as Revised
from releases.opening import LIVE, Facts, Rule, State, unmet


class OpeningQuerySet(models.QuerySet["Opening"]):
    """Openings by where they stand."""

    def live(self) -> OpeningQuerySet:
        """Those that may still open."""
        return self.filter(state__in=sorted(LIVE))

    def due(self, now: datetime) -> OpeningQuerySet:
        """Planned ones whose date, if they have one, has come; those of a closed lab rest, and nobody is told that they are late."""
        dated = Q(opens_at=None) | Q(opens_at__lte=now)
        return self.filter(dated, state=State.PLANNED, model__lab__is_active=True)

    def announced(self, namespace: str, name: str) -> OpeningQuerySet:
        """The one of a model that is to be public and is not yet, where its plan says so to everybody."""
        whose = Q(model__lab__slug=namespace, model__lab__is_active=True, model__name__iexact=name)
        hidden = Q(model__opened_at=None, model__withdrawn_at=None)
        return self.live().filter(whose, hidden, announced=True).select_related("model__lab", "revision")


class Opening(models.Model):
    """One revision is to be published by rule: at a date, with so many approvals, or both, once its check has passed."""

    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, related_name="openings")
    revision = models.ForeignKey("releases.Revision", on_delete=models.PROTECT, related_name="openings")
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in State], default=State.PLANNED.value)
    opens_at = models.DateTimeField(null=True, blank=True)
    """Not before; null where the approvals alone decide."""
    approvals = models.PositiveSmallIntegerField(default=0)
    """How many of the named people must approve."""
    announced = models.BooleanField(default=False)
    """Whether strangers may know of it: a page that counts down."""
    held_reason = models.TextField(blank=True)
    planned_at = models.DateTimeField(default=timezone.now)
    planned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField(null=True, blank=True)
    late_told_at = models.DateTimeField(null=True, blank=True)
    """When people were told that the date came and something was missing."""

    objects: ClassVar[models.Manager[Opening]] = OpeningQuerySet.as_manager()

    class Meta:
        ordering = ["-planned_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="opening_state_known", condition=Q(state__in=[s.value for s in State])),
            models.CheckConstraint(
                name="opening_has_a_rule", condition=Q(opens_at__isnull=False) | Q(approvals__gte=1)
            ),
            models.CheckConstraint(
                name="opening_opened_when",
                condition=Q(state="opened", opened_at__isnull=False) | ~Q(state="opened") & Q(opened_at=None),
            ),
            models.CheckConstraint(name="opening_held_with_reason", condition=~Q(state="held") | ~Q(held_reason="")),
            models.UniqueConstraint(
                fields=["model"], name="opening_one_live", condition=Q(state__in=["planned", "held"])
            ),
        ]
        indexes = [models.Index(fields=["opens_at"], name="opening_by_date", condition=Q(state="planned"))]

    def __str__(self) -> str:
        return f"opening of {self.revision}"

    def get_absolute_url(self) -> str:
        """The lab's page of it."""
        return reverse("releases:opening", args=[self.model.lab.slug, self.model.name, self.revision.commit])

    def approved(self) -> models.QuerySet[OpeningApproval]:
        """Approvals that count: of named people who still hold a role in the lab."""
        return self.named.staying().exclude(approved_at=None)

    def facts(self, now: datetime) -> Facts:
        """What its rules are held against. Four queries."""
        return Facts(
            now=now,
            approvals=self.approved().count(),
            checked=self.model.revisions.filter(pk=self.revision_id, state=Revised.CHECKED).exists(),
            publishing=is_on(Switch.PUBLISH),
            lab_open=Lab.objects.filter(models=self.model_id, is_active=True).exists(),
        )

    def waits_for(self, now: datetime) -> tuple[Rule, ...]:
        """What is still to be met."""
        return unmet(self.opens_at, self.approvals, self.facts(now))


class ApprovalQuerySet(models.QuerySet["OpeningApproval"]):
    """The people whom a plan names."""

    def staying(self) -> ApprovalQuerySet:
        """Those who hold a role in the lab today."""
        return self.filter(
            Exists(Membership.objects.active().filter(user=OuterRef("person"), lab=OuterRef("opening__model__lab")))
        )


class OpeningApproval(models.Model):
    """One named person, and whether they have approved."""

    opening = models.ForeignKey(Opening, on_delete=models.CASCADE, related_name="named")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[OpeningApproval]] = ApprovalQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["opening", "person"], name="opening_named_once")]

    def __str__(self) -> str:
        return f"{self.person_id} for {self.opening_id}"


class OpeningStep(models.Model):
    """One line of an opening's history. A trigger keeps it: nothing is changed or taken out."""

    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="steps")
    verb = models.CharField(max_length=12)
    """One of the table's, or `plan`, or `late`."""
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    text = models.TextField(blank=True)
    """The reason of a hold or a cancellation."""

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["opening", "at"], name="step_of_opening")]

    def __str__(self) -> str:
        return self.verb
