"""Applications, what was sent and what became of it, with the constraints that repeat the workflow in the database.

What was submitted never changes: that is a trigger of the first migration.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, Value
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal.access.gate_models import Gate
from portal.access.workflow import DECIDED, EDITABLE, OPEN, PATIENCE, QUEUED, WAITING, WAITS_FOR_APPLICANT, Status
from portal.people.models import Membership, Role, User

STAFF: Final = (Role.REVIEWER, Role.MANAGER, Role.ADMINISTRATOR)


class Lane(models.TextChoices):
    """How much attention an application needs; set by the triage rules, never a decision."""

    GREEN = "green", _("green")
    AMBER = "amber", _("amber")
    RED = "red", _("red")
    BLOCK = "block", _("block")
    """The rules would decline it. Only a person does."""


class Decline(models.TextChoices):
    """Why an application was declined. Each has its own words for the applicant in the templates."""

    IDENTITY = "identity", _("We could not confirm who you are or where you work")
    PURPOSE = "purpose", _("The purpose is outside what the agreement allows")
    DETAIL = "detail", _("The description is too thin to judge")
    CUSTODY = "custody", _("The weights would not be kept safely enough")
    RESTRICTED_USE = "restricted_use", _("The work touches a use that the agreement forbids")
    OTHER = "other", _("Another reason, given below")


class Change(models.TextChoices):
    """What kind of change is asked for. Each has its own words for the applicant, as a decline has."""

    DETAIL = "detail", _("More detail is needed")
    IDENTITY = "identity", _("Who you are or where you work")
    PURPOSE = "purpose", _("What the work is for")
    CUSTODY = "custody", _("How the weights would be kept")
    OTHER = "other", _("Something else, given below")


class ApplicationQuerySet(models.QuerySet["Application"]):
    """Questions about applications."""

    def open(self) -> ApplicationQuerySet:
        """Those that still hold the one place per person and gate."""
        return self.filter(status__in=OPEN)

    def for_staff(self, user: User, now: datetime | None = None) -> ApplicationQuerySet:
        """Those that this person may read as staff: sent ones of labs where they hold a role today."""
        labs = Membership.objects.active(now).filter(user=user, role__in=STAFF).values("lab")
        return self.filter(gate__lab__in=labs).exclude(submitted_at=None)

    def queued(self) -> ApplicationQuerySet:
        """Those where the lab holds the ball."""
        return self.filter(status__in=QUEUED)


def _decided_by_rules() -> Q:
    """The one decision that nobody makes: an approval, in the first round, of what is green."""
    approved = [Status.APPROVED, Status.GRANTED, Status.WITHDRAWN, Status.LAPSED]
    return Q(decided_rules__isnull=False, decided_rules__gte=1, status__in=approved, lane=Lane.GREEN, rounds=1)


class Application(models.Model):
    """One person asks to pass one gate."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.BigIntegerField(
        db_default=Func(Value("access_application_number"), function="nextval"),
        editable=False,
        unique=True,
    )
    gate = models.ForeignKey(Gate, on_delete=models.PROTECT, related_name="applications")
    applicant = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="applications")
    status = models.CharField(max_length=20, default=Status.DRAFT.value)
    answers = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    """Raised by every change: who acts on an older one is told, not overwritten."""
    rounds = models.PositiveSmallIntegerField(default=0)
    """How often it was sent; an appeal is one more. Votes count in the round they were cast in."""
    quorum = models.PositiveSmallIntegerField(default=1)
    """Fixed when it is sent: a later change of the gate does not move the post."""
    confirmations = models.PositiveSmallIntegerField(default=0)
    """Likewise: how many people outside must confirm it."""
    lane = models.CharField(max_length=8, choices=Lane.choices, blank=True)
    triage = models.JSONField(default=dict, blank=True)
    """Rule set version and the rules that matched, as of the last round."""
    capabilities = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    """First sent; the queue is ordered by it."""
    first_seen_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    decided_rules = models.PositiveIntegerField(null=True, blank=True)
    """Version of the lab's rules that approved it, where no person did; `triage` names the rules."""
    reason = models.CharField(max_length=20, choices=Decline.choices, blank=True)
    change = models.CharField(max_length=20, choices=Change.choices, blank=True)
    """What kind of change was asked for last; empty once it was sent again."""
    message = models.TextField(blank=True)
    """The lab's last words to the applicant: what to change, or why not."""

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["gate", "submitted_at"], name="application_queue", condition=Q(status__in=sorted(QUEUED))
            ),
            models.Index(fields=["applicant", "-created_at"], name="application_of_person"),
            models.Index(fields=["gate", "-decided_at"], name="application_decided"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["gate", "applicant"],
                condition=Q(status__in=sorted(OPEN)),
                name="application_one_open",
            ),
            models.CheckConstraint(name="application_status_known", condition=Q(status__in=list(Status))),
            models.CheckConstraint(
                name="application_decided_by_people_or_rules",
                condition=Q(decided_at=None, decided_by=None, decided_rules=None)
                | Q(decided_at__isnull=False, decided_by__isnull=False, decided_rules=None)
                | (_decided_by_rules() & Q(decided_at__isnull=False, decided_by=None)),
            ),
            models.CheckConstraint(
                name="application_decision_with_status",
                condition=Q(status__in=sorted(DECIDED), decided_at__isnull=False)
                | Q(status__in=sorted(WAITING | EDITABLE), decided_at=None)
                | Q(status__in=[Status.WITHDRAWN, Status.LAPSED]),
            ),
            models.CheckConstraint(
                name="application_sent_with_status",
                condition=Q(status=Status.DRAFT, submitted_at=None, rounds=0)
                | (~Q(status=Status.DRAFT) & Q(submitted_at__isnull=False, rounds__gt=0))
                | Q(status__in=[Status.WITHDRAWN, Status.LAPSED]),
            ),
            models.CheckConstraint(name="application_change_known", condition=Q(change__in=["", *Change.values])),
            models.CheckConstraint(
                name="application_declined_with_reason",
                condition=Q(status__in=[Status.DECLINED, Status.APPEALED], reason__in=Decline.values)
                | (~Q(status__in=[Status.DECLINED, Status.APPEALED]) & Q(reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        """The applicant's status page."""
        return reverse("access:application", args=[self.pk])

    @property
    def lead(self) -> User:
        """Who leads its team: who applied, until they hand the project over to a member (ADR 24)."""
        taken = self.handovers.taken()
        return taken.member.user if taken and taken.member.user else self.applicant

    @property
    def reference(self) -> str:
        """What people call it: A-2026-0417."""
        return f"A-{self.created_at:%Y}-{self.number:04d}"

    @property
    def closes_at(self) -> datetime | None:
        """When it lapses unless its applicant acts before; None while it waits for somebody else or its lab is closed, and
        once it is over."""
        waits = self.status in WAITS_FOR_APPLICANT and self.gate.lab.is_active
        return self.updated_at + PATIENCE if waits else None

    @property
    def waits_since(self) -> datetime | None:
        """When the lab's clock began: at first sending, or at the appeal."""
        return self.appeal.made_at if self.status == Status.APPEALED else self.submitted_at


class Submission(models.Model):
    """What was sent in one round, with the form it answered. Immutable by trigger."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="submissions")
    round = models.PositiveSmallIntegerField()
    answers = models.JSONField()
    form_spec = models.JSONField()
    form_version = models.PositiveIntegerField()
    submitted_at = models.DateTimeField()

    class Meta:
        ordering = ["round"]
        constraints = [models.UniqueConstraint(fields=["application", "round"], name="submission_per_round")]

    def __str__(self) -> str:
        return f"{self.application_id} round {self.round}"


class Step(models.Model):
    """One line of an application's history, as the timeline shows it; the audit trail is the proof."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="steps")
    verb = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    message = models.TextField(blank=True)
    """Said to the applicant."""

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["application", "at"], name="step_of_application")]

    def __str__(self) -> str:
        return f"{self.verb} → {self.status}"
