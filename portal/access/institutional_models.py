"""Institutional agreements: seats behind one gate for one institution, who is on the roster, and what was attested.

`taken` is kept by the trigger `access_roster_seats`, so that the constraint on it holds whoever writes a line.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.access.institutional import (
    ATTESTATION_OPENS,
    MOST_DAYS,
    MOST_SEATS,
    ON_ROSTER,
    OPEN,
    SIGNED,
    STANDING,
    Line,
    Status,
)
from portal.agreements.models import ChangeClass, Signature

STATUS_WORDS: Final = {
    Status.ASKED: _("asked for"),
    Status.OFFERED: _("waits for the official’s signature"),
    Status.DECLINED: _("declined"),
    Status.WITHDRAWN: _("withdrawn"),
    Status.IN_FORCE: _("in force"),
    Status.SUSPENDED: _("suspended"),
    Status.ENDED: _("ended"),
    Status.REVOKED: _("revoked"),
}
LINE_WORDS: Final = {
    Line.ASKED: _("asks for a seat"),
    Line.INVITED: _("invited"),
    Line.SEATED: _("holds a seat"),
    Line.REFUSED: _("refused"),
    Line.DECLINED: _("declined"),
    Line.REMOVED: _("removed"),
}


class InstitutionalAgreementQuerySet(models.QuerySet["InstitutionalAgreement"]):
    """The institution's part of the rule of access."""

    def in_force(self, now: datetime | None = None) -> InstitutionalAgreementQuerySet:
        """Running today, and the official's signature binds: under the agreement's present text, or in its grace."""
        now = now or timezone.now()
        signed = Exists(Signature.objects.binding(now).filter(pk=OuterRef("signature")))
        return self.filter(signed, status=Status.IN_FORCE, starts_at__lte=now, ends_at__gt=now)

    def to_attest(self, now: datetime | None = None) -> InstitutionalAgreementQuerySet:
        """Those whose roster can be attested by now, and is to be before they end."""
        now = now or timezone.now()
        return self.filter(
            status__in=STANDING, ends_at__gt=now, attest_by__lt=F("ends_at"), attest_by__lte=now + ATTESTATION_OPENS
        )

    def attested(self, now: datetime | None = None) -> InstitutionalAgreementQuerySet:
        """Those whose roster was attested in time, or may still be."""
        return self.filter(lapses_at__gt=now or timezone.now())


class InstitutionalAgreement(models.Model):
    """One institution may seat its people behind one gate, for a time, under its signing official's signature."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    institution = models.ForeignKey("people.Institution", on_delete=models.PROTECT, related_name="+")
    gate = models.ForeignKey("access.Gate", on_delete=models.PROTECT, related_name="institutional")
    official = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="institutional")
    office = models.CharField(max_length=120)
    """What the official is at the institution, as the signature says it."""
    purpose = models.TextField(blank=True)
    """What its people would use the models for; empty where the lab offered."""
    status = models.CharField(max_length=12, default=Status.ASKED.value)
    capabilities = ArrayField(models.CharField(max_length=16))
    seats = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0, editable=False)
    days = models.PositiveIntegerField()
    """The period in days, from the signature on."""
    asked_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    message = models.TextField(blank=True)
    """The last words of who declined, suspended, revoked or ended it."""
    signature = models.OneToOneField(
        "agreements.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """The official's newest."""
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    attest_by = models.DateTimeField(null=True, blank=True)
    """By when the official confirms the roster next."""
    lapses_at = models.DateTimeField(null=True, blank=True)
    """When access under it stops for want of the attestation."""
    version = models.PositiveIntegerField(default=1)
    """Raised by every change of the roster: who attests confirms what was on the page."""

    objects = InstitutionalAgreementQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at"]
        indexes = [
            models.Index(fields=["official", "-asked_at"], name="institutional_of_official"),
            models.Index(fields=["gate", "-asked_at"], name="institutional_of_gate"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["institution", "gate"], condition=Q(status__in=sorted(OPEN)), name="institutional_one_open"
            ),
            models.CheckConstraint(name="institutional_status_known", condition=Q(status__in=list(Status))),
            models.CheckConstraint(
                name="institutional_seats", condition=Q(seats__gte=1, seats__lte=MOST_SEATS, taken__lte=F("seats"))
            ),
            models.CheckConstraint(name="institutional_days", condition=Q(days__gte=1, days__lte=MOST_DAYS)),
            models.CheckConstraint(
                name="institutional_signed_with_status",
                condition=Q(
                    status__in=sorted(SIGNED), signature__isnull=False, starts_at__isnull=False,
                    ends_at__gt=F("starts_at"), lapses_at__gte=F("attest_by"),
                )
                | (
                    ~Q(status__in=sorted(SIGNED))
                    & Q(signature=None, starts_at=None, ends_at=None, attest_by=None, lapses_at=None)
                ),
            ),
            models.CheckConstraint(
                name="institutional_decided_by_somebody",
                condition=Q(status__in=[Status.ASKED, Status.WITHDRAWN])
                | Q(decided_at__isnull=False, decided_by__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        """The official's page."""
        return reverse("access:institutional", args=[self.pk])

    @property
    def reference(self) -> str:
        """What people call it: I-2026-1f0c9a7e."""
        return f"I-{self.asked_at:%Y}-{self.id.hex[:8]}"

    def state(self, now: datetime | None = None) -> Status:
        """Where it stands: as stored, or ended where its period is over."""
        over = self.status in STANDING and self.ends_at is not None and self.ends_at <= (now or timezone.now())
        return Status.ENDED if over else Status(self.status)

    @property
    def state_words(self) -> str:
        """The state, for a page."""
        return str(STATUS_WORDS[self.state()])

    @property
    def free(self) -> int:
        """Seats that nobody holds."""
        return self.seats - self.taken

    @property
    def lapsed(self) -> bool:
        """Whether access has stopped for want of an attestation."""
        return self.state() in STANDING and self.lapses_at is not None and self.lapses_at <= timezone.now()

    @property
    def attests(self) -> bool:
        """Whether the roster is to be attested once more before the agreement ends."""
        if self.state() not in STANDING or self.attest_by is None or self.ends_at is None:
            return False
        return self.attest_by < self.ends_at

    @property
    def to_attest(self) -> bool:
        """Whether it is, and can be by now."""
        return self.attests and self.attest_by is not None and timezone.now() >= self.attest_by - ATTESTATION_OPENS

    @property
    def late(self) -> bool:
        """Whether it is, and its day is over."""
        return self.attests and self.attest_by is not None and self.attest_by <= timezone.now()

    @property
    def to_sign(self) -> bool:
        """Whether its text waits for the official: the first time, or because the agreement has a newer one."""
        if self.state() not in STANDING or self.signature is None:
            return self.state() == Status.OFFERED
        signed = self.signature.version
        newer = signed.agreement.versions.filter(number__gt=signed.number, published_at__lte=timezone.now())
        return newer.exclude(change_class=ChangeClass.EDITORIAL).exists()

    def facts(self) -> dict[str, Any]:
        """What the receipt of a signature under it says."""
        return {"institution": self.institution.name, "ror": self.institution.ror, "institutional": self.reference}


class RosterLine(models.Model):
    """One person on the roster of an institutional agreement: asks, is invited, holds a seat, or did."""

    agreement = models.ForeignKey(InstitutionalAgreement, on_delete=models.PROTECT, related_name="roster")
    address = models.EmailField(max_length=254)
    mailbox = models.CharField(max_length=254)
    """The address in the one spelling by which it is unique."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="roster_lines"
    )
    status = models.CharField(max_length=8)
    digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    """SHA-256 of the secret in the invitation's link."""
    expires_at = models.DateTimeField(null=True, blank=True)
    """Until when the link works."""
    since = models.DateTimeField()
    """When it came to its status."""
    grant = models.OneToOneField(
        "access.Grant", on_delete=models.PROTECT, null=True, blank=True, related_name="roster_line"
    )

    class Meta:
        ordering = ["-since", "-id"]
        indexes = [models.Index(fields=["agreement", "status", "-since"], name="roster_of_agreement")]
        constraints = [
            models.CheckConstraint(name="roster_line_status_known", condition=Q(status__in=list(Line))),
            models.UniqueConstraint(
                fields=["agreement", "mailbox"], condition=Q(status__in=sorted(ON_ROSTER)), name="roster_one_line"
            ),
            models.UniqueConstraint(
                fields=["agreement", "user"], condition=Q(status=Line.SEATED), name="roster_one_seat"
            ),
            models.CheckConstraint(
                name="roster_line_invited_with_a_link",
                condition=Q(status=Line.INVITED, digest__isnull=False, expires_at__isnull=False)
                | (~Q(status=Line.INVITED) & Q(digest=None, expires_at=None)),
            ),
            models.CheckConstraint(
                name="roster_line_seated_with_a_grant",
                condition=~Q(status=Line.SEATED) | Q(user__isnull=False, grant__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} on {self.agreement_id}"

    @property
    def words(self) -> str:
        """Its status, for a page."""
        return str(LINE_WORDS[Line(self.status)])

    @property
    def expired(self) -> bool:
        """Whether the invitation's link has run out."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


class RosterAttestation(models.Model):
    """The official's word that everybody with a seat works at the institution."""

    agreement = models.ForeignKey(InstitutionalAgreement, on_delete=models.PROTECT, related_name="attestations")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    due = models.DateTimeField()
    """The date that it answered."""
    seated = models.PositiveIntegerField()

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["agreement", "due"], name="roster_attested_once")]

    def __str__(self) -> str:
        return f"{self.agreement_id}, due {self.due:%Y-%m-%d}"


class AttestationNotice(models.Model):
    """One notice that was sent around an attestation's day. The constraint is what makes it once."""

    agreement = models.ForeignKey(InstitutionalAgreement, on_delete=models.CASCADE, related_name="notices")
    due = models.DateTimeField()
    days = models.SmallIntegerField()
    """Before the day; negative after it."""
    sent_at = models.DateTimeField()

    class Meta:
        ordering = ["sent_at"]
        constraints = [models.UniqueConstraint(fields=["agreement", "due", "days"], name="attestation_notice_once")]

    def __str__(self) -> str:
        return f"{self.days} days before {self.due:%Y-%m-%d}"
