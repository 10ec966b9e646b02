"""Agreements with immutable versions, and what was signed under them.

A version that has been published never changes: a trigger refuses it. A signature never changes at all.
"""

from __future__ import annotations

import hashlib
import unicodedata
import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def canonical(text: str) -> str:
    """The text as it is hashed: NFC, LF line ends, one at the end."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return lines + "\n"


def text_digest(text: str) -> str:
    """SHA-256 of the canonical text in UTF-8, hex."""
    return hashlib.sha256(canonical(text).encode()).hexdigest()


def _digest_of_text() -> Func:
    """text_digest() as PostgreSQL computes it over a text that is canonical already."""
    octets = Func(F("text"), Value("UTF8"), function="convert_to")
    return Func(Func(octets, function="sha256"), Value("hex"), function="encode", output_field=models.TextField())


class ChangeClass(models.TextChoices):
    """What a new version asks of those who signed an earlier one."""

    EDITORIAL = "editorial", _("editorial: nothing to do")
    NOTICE = "notice", _("notice: sign again before a date")
    BLOCKING = "blocking", _("blocking: access pauses until signed")


class Agreement(models.Model):
    """What a lab asks people to sign, through all its versions."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="agreements")
    slug = models.SlugField(max_length=64)
    title = models.CharField(max_length=200)
    edits = models.PositiveIntegerField(default=0)
    """Raised by every change of its versions: who acts on an older state is told, not overwritten."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        constraints = [models.UniqueConstraint(fields=["lab", "slug"], name="agreement_slug_per_lab")]

    def __str__(self) -> str:
        return self.title

    def current(self, now: datetime | None = None) -> Version | None:
        """The newest published version; None before the first is published."""
        return self.versions.filter(published_at__lte=now or timezone.now()).order_by("-number").first()

    def draft(self) -> Version | None:
        """The next version while it is being written; there is one at most."""
        return self.versions.filter(published_at=None).first()


class Version(models.Model):
    """One text of an agreement: a draft at first, immutable once published."""

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    points = models.JSONField(default=list, blank=True)
    """Our summary, a list of sentences. The text governs."""
    content_logging = models.BooleanField(default=False)
    """Whether prompts and answers of those who sign this version may be kept, where the operator keeps any."""
    change_class = models.CharField(max_length=12, choices=ChangeClass.choices, default=ChangeClass.BLOCKING)
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    grace_ends_at = models.DateTimeField(null=True, blank=True)
    """Until when signatures under earlier versions still hold; only for the class `notice`."""

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["agreement", "number"], name="agreement_version_number"),
            models.UniqueConstraint(
                fields=["agreement"], condition=Q(published_at=None), name="agreement_version_one_draft"
            ),
            models.CheckConstraint(name="agreement_version_digest", condition=Q(sha256=_digest_of_text())),
            models.CheckConstraint(
                name="agreement_version_published_by_somebody",
                condition=Q(published_at=None, published_by=None)
                | Q(published_at__isnull=False, published_by__isnull=False),
            ),
            models.CheckConstraint(
                name="agreement_version_grace_with_notice",
                condition=Q(change_class=ChangeClass.NOTICE, grace_ends_at__isnull=False)
                | (~Q(change_class=ChangeClass.NOTICE) & Q(grace_ends_at=None)),
            ),
            models.CheckConstraint(
                name="agreement_version_change_class",
                condition=Q(change_class__in=ChangeClass.values),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agreement.title}, version {self.number}"

    def get_absolute_url(self) -> str:
        """The page with the full text."""
        return reverse("agreements:version", args=[self.agreement.lab.slug, self.agreement.slug, self.number])

    def words(self) -> int:
        """Length of the text in words, for the reader."""
        return len(self.text.split())

    @property
    def content_days(self) -> int:
        """For how many days prompts and answers are kept under this version; 0 where none are."""
        return int(settings.CONTENT_DAYS) if self.content_logging and settings.CONTENT_KEY else 0


class SignatureQuerySet(models.QuerySet["Signature"]):
    """Questions about signatures."""

    def binding(self, now: datetime | None = None) -> SignatureQuerySet:
        """Signatures that still satisfy their agreement.

        One does unless a later published version asks for a new signature by now: a blocking one at once, a notice
        one from its grace date on, an editorial one never.
        """
        now = now or timezone.now()
        demand = Version.objects.filter(
            agreement=OuterRef("version__agreement"),
            number__gt=OuterRef("version__number"),
            published_at__lte=now,
        ).filter(
            Q(change_class=ChangeClass.BLOCKING) | Q(change_class=ChangeClass.NOTICE, grace_ends_at__lte=now),
        )
        return self.filter(~Exists(demand))


class Signature(models.Model):
    """A person signed a version. Everything that a receipt says is copied here, and never changes."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="signatures")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="signatures")
    application = models.CharField(max_length=36, blank=True)
    """Id of the application that led here, as text; empty when signed without one."""
    typed_name = models.CharField(max_length=200)
    capacity = models.CharField(max_length=300)
    text_sha256 = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    receipt_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    document = models.JSONField(default=dict)
    """The receipt, as signed by us: who, what, when, and what it opened."""
    document_sha256 = models.CharField(max_length=64)
    key_id = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=128, blank=True)
    """Ed25519 over the canonical document, base64."""

    objects = SignatureQuerySet.as_manager()

    class Meta:
        ordering = ["-signed_at"]
        indexes = [models.Index(fields=["user", "version"], name="signature_person_version")]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        """The public page of the receipt."""
        return reverse("agreements:receipt", args=[self.receipt_id])

    @property
    def reference(self) -> str:
        """What people call the receipt: R-2026-1f0c9a7e."""
        return f"R-{self.signed_at:%Y}-{self.receipt_id.hex[:8]}"
