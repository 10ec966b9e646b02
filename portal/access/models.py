"""Grants and the one rule of access. What else the app keeps is in `<topic>_models.py`, and named here for Django.

A rule that a constraint cannot say is a trigger of the first migration: grants of one person behind one gate never
overlap.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, Max, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Least
from django.urls import reverse
from django.utils import timezone

from portal.access import (  # noqa: F401 Django looks for every model of an app here
    attachment_models,
    desk_models,
    handover_models,
    lifetime_models,
    pausing_models,
    review_models,
    rule_models,
    signing_models,
)
from portal.access.application_models import STAFF, Application
from portal.access.gate_models import Gate, all_capabilities, known_capabilities  # noqa: F401 the first migration calls all_capabilities here
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.lifetime import State, renewal_opens
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.agreements.models import ChangeClass, Signature, Version
from portal.people.models import Membership, User


def _signed(now: datetime) -> Q:
    """The holder's signature under the gate's agreement holds: its present version, or an earlier one in its grace."""
    binding = Signature.objects.binding(now)
    return Q(Exists(binding.filter(user=OuterRef("user"), version__agreement=OuterRef("gate__agreement"))))


def _on_team(_now: datetime) -> Q:
    """A grant that rests on a lead's: its holder is on the team still."""
    held = Member.objects.filter(grant=OuterRef("pk"), status=MemberStatus.ACCEPTED)
    return Q(lead=None) | Q(Exists(held))


def _lead_runs(now: datetime) -> Q:
    """The lead's own grant has neither ended nor been taken away or paused, and their account is not suspended."""
    runs = Q(lead__revoked_at=None, lead__suspended_at=None, lead__starts_at__lte=now, lead__ends_at__gt=now)
    return Q(lead=None) | (runs & Q(lead__user__is_active=True))


def _institution_in_force(now: datetime) -> Q:
    """Where the grant is a seat of an institutional agreement, that runs and its official's signature holds."""
    running = InstitutionalAgreement.objects.in_force(now)
    return Q(institutional=None) | Q(Exists(running.filter(pk=OuterRef("institutional"))))


def _institution_attested(now: datetime) -> Q:
    """Where the grant is a seat, the institution's official has confirmed the roster in time."""
    attested = InstitutionalAgreement.objects.attested(now)
    return Q(institutional=None) | Q(Exists(attested.filter(pk=OuterRef("institutional"))))


GRANT_CONDITIONS: Final[dict[str, Callable[[datetime], Q]]] = {
    "holder_active": lambda now: Q(user__is_active=True),
    "lab_active": lambda now: Q(gate__lab__is_active=True),
    "not_revoked": lambda now: Q(revoked_at=None),
    "on_team": _on_team,
    "lead_runs": _lead_runs,
    "not_ended": lambda now: Q(ends_at__gt=now),
    "not_suspended": lambda now: Q(suspended_at=None),
    "begun": lambda now: Q(starts_at__lte=now),
    "project_open": lambda now: Q(project__closed_at=None),
    "signed": _signed,
    "institution_in_force": _institution_in_force,
    "institution_attested": _institution_attested,
}
"""The portal's rule of access by the names of its conditions, those that say most to the holder first."""


def _grace(now: datetime) -> models.QuerySet[Version]:
    """Versions of the agreement of a grant's gate whose date of grace is to come."""
    return Version.objects.filter(
        agreement=OuterRef("gate__agreement"),
        change_class=ChangeClass.NOTICE,
        published_at__lte=now,
        grace_ends_at__gt=now,
    )


class GrantQuerySet(models.QuerySet["Grant"]):
    """The portal's rule of access, and its deadlines."""

    def active(self, now: datetime | None = None) -> GrantQuerySet:
        """THE rule: what is granted today. Everything else asks it; GRANT_CONDITIONS is its only definition."""
        now = now or timezone.now()
        return self.filter(*(condition(now) for condition in GRANT_CONDITIONS.values()))

    def with_conditions(self, now: datetime | None = None) -> GrantQuerySet:
        """Annotate each condition of the rule as `met_<name>`, so that a refusal can be explained: see Grant.unmet."""
        now = now or timezone.now()
        return self.annotate(**{f"met_{name}": condition(now) for name, condition in GRANT_CONDITIONS.items()})

    def with_not_after(self, now: datetime | None = None) -> GrantQuerySet:
        """Annotate `not_after`: the end of the period, or of the lead’s, or the first date that asks for something before it.

        Such are a grace date that asks the holder, or their institution's official, for a new signature, and the day on
        which the institution's roster lapses unattested. PostgreSQL's LEAST passes over what is not there.
        """
        now = now or timezone.now()
        newest = (
            Signature.objects.filter(user=OuterRef(OuterRef("user")), version__agreement=OuterRef("agreement"))
            .order_by()
            .values("version__agreement")
            .annotate(newest=Max("version__number"))
            .values("newest")
        )
        holders = _grace(now).filter(number__gt=Coalesce(Subquery(newest), 0))
        officials = _grace(now).filter(number__gt=OuterRef("institutional__signature__version__number"))
        dates = [
            Subquery(each.order_by().values("agreement").annotate(first=Min("grace_ends_at")).values("first"))
            for each in (holders, officials)
        ]
        ends = (F("ends_at"), F("lead__ends_at"), F("institutional__lapses_at"))
        return self.annotate(not_after=Least(*ends, *dates))  # type: ignore[no-redef]

    def standing(self) -> GrantQuerySet:
        """Neither revoked nor past: those that a manager can still act on."""
        return self.filter(revoked_at=None, ends_at__gt=timezone.now())

    def after(self, grant: Grant) -> GrantQuerySet:
        """What its holder was given at the same gate once it had ended, whatever became of that."""
        return self.filter(user=grant.user_id, gate=grant.gate_id, starts_at__gte=grant.ends_at)

    def may_hold_copies(self) -> GrantQuerySet:
        """Those whose holders may still have what they downloaded: neither revoked nor attested to be deleted.

        Suspended, outstanding and past ones are among them: a right that rests or ended deletes no file.
        """
        return self.filter(revoked_at=None, closed_out_at=None)

    def in_state(self, state: State, now: datetime | None = None) -> GrantQuerySet:
        """Those whose `state` is this one."""
        now = now or timezone.now()
        conditions = {
            State.CLOSED_OUT: Q(closed_out_at__isnull=False),
            State.REVOKED: Q(revoked_at__isnull=False),
            State.ENDED: Q(ends_at__lte=now),
            State.SUSPENDED: Q(suspended_at__isnull=False),
            State.ACTIVE: Q(),
        }
        found = self.filter(conditions[state])
        for earlier in list(conditions)[: list(conditions).index(state)]:
            found = found.exclude(conditions[earlier])
        return found

    def of_present_people(self) -> GrantQuerySet:
        """Those whose holder can be told something: whoever was erased cannot."""
        return self.exclude(user__erasure_requests__done=True)

    def deletion_overdue(self, now: datetime | None = None) -> GrantQuerySet:
        """Those whose holder should have attested deletion by now and has not."""
        return self.filter(closed_out_at=None, deletion_due_at__lte=now or timezone.now())

    def for_staff(self, user: User, now: datetime | None = None) -> GrantQuerySet:
        """Grants of labs where this person holds a role today."""
        labs = Membership.objects.active(now).filter(user=user, role__in=STAFF).values("lab")
        return self.filter(gate__lab__in=labs)


class Grant(models.Model):
    """One person may pass one gate, in one project, for a time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants")
    gate = models.ForeignKey(Gate, on_delete=models.PROTECT, related_name="grants")
    application = models.OneToOneField(
        Application,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="grant",
    )
    lead = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="team")
    """The grant that a member's rests on: it ends, pauses and goes on with that one."""
    institutional = models.ForeignKey(
        InstitutionalAgreement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="grants",
    )
    """The agreement of the holder's institution, where the grant is one of its seats."""
    capabilities = ArrayField(models.CharField(max_length=16))
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    suspended_reason = models.TextField(blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    revoked_reason = models.TextField(blank=True)
    deletion_due_at = models.DateTimeField(null=True, blank=True)
    """By when the holder attests deletion; set when a grant that opened downloads is revoked or ends."""
    closed_out_at = models.DateTimeField(null=True, blank=True)
    """When the holder attested deletion. It ends a running grant; `ends_at` says so."""
    closed_out_name = models.CharField(max_length=200, blank=True)
    """As the holder typed it."""
    deleted_on = models.DateField(null=True, blank=True)
    closed_out_statement = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    not_after: datetime
    """Only on rows read with `with_not_after()`."""

    objects = GrantQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        indexes = [
            models.Index(fields=["user", "gate"], name="grant_standing", condition=Q(revoked_at=None)),
            models.Index(fields=["gate", "-starts_at"], name="grant_of_gate"),
            models.Index(fields=["ends_at"], name="grant_by_end", condition=Q(revoked_at=None, closed_out_at=None)),
            models.Index(fields=["deletion_due_at"], name="grant_deletion_due", condition=Q(closed_out_at=None)),
        ]
        constraints = [
            models.CheckConstraint(name="grant_by_one_way", condition=Q(application=None) | Q(institutional=None)),
            models.CheckConstraint(name="grant_ends_after_it_starts", condition=Q(ends_at__gt=F("starts_at"))),
            models.CheckConstraint(name="grant_capabilities", condition=known_capabilities()),
            models.CheckConstraint(
                name="grant_by_application_or_lead", condition=Q(lead=None) | Q(application=None) & ~Q(lead=F("id"))
            ),
            models.CheckConstraint(
                name="grant_suspended_by_somebody",
                condition=Q(suspended_at=None, suspended_by=None, suspended_reason="")
                | (Q(suspended_at__isnull=False, suspended_by__isnull=False) & ~Q(suspended_reason="")),
            ),
            models.CheckConstraint(
                name="grant_revoked_by_somebody",
                condition=Q(revoked_at=None, revoked_by=None, revoked_reason="")
                | (Q(revoked_at__isnull=False, revoked_by__isnull=False) & ~Q(revoked_reason="")),
            ),
            models.CheckConstraint(
                name="grant_closed_out_with_a_statement",
                condition=Q(closed_out_at=None, closed_out_name="", deleted_on=None, closed_out_statement="")
                | (
                    Q(closed_out_at__isnull=False, deleted_on__isnull=False)
                    & ~Q(closed_out_name="")
                    & ~Q(closed_out_statement="")
                ),
            ),
            models.CheckConstraint(
                name="grant_closed_out_is_over",
                condition=Q(closed_out_at=None) | Q(ends_at__lte=F("closed_out_at")) | Q(revoked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        """The holder's page."""
        return reverse("access:my_grant", args=[self.pk])

    @property
    def reference(self) -> str:
        """What people call it: G-2026-1f0c9a7e."""
        return f"G-{self.starts_at:%Y}-{self.id.hex[:8]}"

    @property
    def unmet(self) -> tuple[str, ...]:
        """The conditions of the rule that do not hold; only on rows read with `with_conditions()`."""
        return tuple(name for name in GRANT_CONDITIONS if not getattr(self, f"met_{name}"))

    def state(self, now: datetime | None = None) -> State:
        """Where it stands. Says nothing about signatures. `in_state` is the same for lists."""
        if self.closed_out_at:
            return State.CLOSED_OUT
        if self.revoked_at:
            return State.REVOKED
        if self.ends_at <= (now or timezone.now()):
            return State.ENDED
        return State.SUSPENDED if self.suspended_at else State.ACTIVE

    @property
    def reason(self) -> str:
        """Why it is revoked or suspended; empty where it is neither."""
        return self.revoked_reason or self.suspended_reason

    @property
    def attestation(self) -> Grant | None:
        """Itself, once it is closed out: the attestation is a part of it."""
        return self if self.closed_out_at else None

    @property
    def shown_state(self) -> str:
        """The state as its holder reads it: `unsigned` or `uncovered` (the institution's move) where a running grant is
        not active; only on rows read with `with_conditions()`."""
        state = self.state()
        if state != State.ACTIVE or not self.unmet:
            return state
        theirs = {"institution_in_force", "institution_attested"} & set(self.unmet)
        return "uncovered" if theirs and "signed" not in self.unmet else "unsigned"

    @property
    def renewable(self) -> bool:
        """Whether its holder can ask to go on by now; a member's grant goes on with the lead's, a seat with its agreement."""
        own = self.lead_id is None and self.institutional_id is None
        return own and self.state() == State.ACTIVE and renewal_opens(self.ends_at) <= timezone.now()

    def facts(self) -> dict[str, Any]:
        """What a receipt says about it."""
        return {
            "grant": self.reference,
            "capabilities": list(self.capabilities),
            "from": self.starts_at.isoformat(timespec="seconds"),
            "until": self.ends_at.isoformat(timespec="seconds"),
        }
