"""What is known of objects and revisions beyond their names: proofs, tensors, publications, signatures, errata, damage."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from releases.models import Revision


class Proof(models.Model):
    """What a check computed of one object, beside the SHA-256 that names it. Written once; an object never changes."""

    blob = models.OneToOneField("releases.Blob", on_delete=models.CASCADE, primary_key=True, related_name="proof")
    blake3 = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.pk)


class Tensor(models.Model):
    """One tensor of an object: where it lies, and its digest over name, type, shape and bytes (releases.proofs.digests).

    A row each, so that a list of 100,000 is read in order of names without holding it, and a damaged object is told
    apart tensor by tensor.
    """

    proof = models.ForeignKey(Proof, on_delete=models.CASCADE, related_name="tensors")
    name = models.CharField(max_length=512, db_collation="C")
    dtype = models.CharField(max_length=16)
    shape = ArrayField(models.BigIntegerField())
    start = models.BigIntegerField()
    """Offset of its first byte in the object."""
    end = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_collation="C")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proof", "name"], name="tensor_name_once"),
            models.CheckConstraint(
                name="tensor_span", condition=models.Q(start__gte=0) & models.Q(end__gte=models.F("start"))
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Publication(models.Model):
    """What was true of a model at the moment when a revision was published, so that its documents never change."""

    revision = models.OneToOneField(
        "releases.Revision", on_delete=models.PROTECT, primary_key=True, related_name="publication"
    )
    model = models.CharField(max_length=200)
    """`namespace/name` of that day."""
    licence = models.CharField(max_length=80, blank=True)
    gate = models.CharField(max_length=200, blank=True)
    """`lab/gate` of that day; empty for an open model."""
    described = models.JSONField(default=dict, blank=True)
    """What card and configuration said for the bill of materials (releases.proofs.bom): task, architecture, energy."""

    def __str__(self) -> str:
        return self.model


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    """Keys by whose they are and when they hold."""

    def valid(self, now: datetime | None = None) -> SigningKeyQuerySet:
        """Those that a signature may come from at `now` (default: this moment)."""
        now = now or timezone.now()
        return self.filter(models.Q(ends_at=None) | models.Q(ends_at__gt=now), starts_at__lte=now)


class SigningKey(models.Model):
    """A public key under signatures of models: a lab's own, or the portal's (`lab` null). Kept after it is retired."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, null=True, blank=True, related_name="signing_keys")
    name = models.CharField(max_length=80)
    pem = models.TextField()
    """As SubjectPublicKeyInfo; its SHA-256 is the fingerprint, so that `sha256sum` of the file gives it."""
    fingerprint = models.CharField(max_length=64, db_collation="C")
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[SigningKey]] = SigningKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "fingerprint"], name="signing_key_once", nulls_distinct=False),
            models.CheckConstraint(
                name="signing_key_period",
                condition=models.Q(ends_at=None) | models.Q(ends_at__gte=models.F("starts_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_valid(self) -> bool:
        """Whether a signature may come from it now."""
        return self.starts_at <= timezone.now() and (self.ends_at is None or self.ends_at > timezone.now())


class ModelSignature(models.Model):
    """One signature over all files of a revision, as OpenSSF model signing writes it. Never changed, only added."""

    revision = models.ForeignKey("releases.Revision", on_delete=models.CASCADE, related_name="signatures")
    """Goes with a draft; what was published is held by its Publication."""
    key = models.ForeignKey(SigningKey, on_delete=models.PROTECT, related_name="signatures")
    bundle = models.TextField()
    """The Sigstore bundle, byte for byte as it is served."""
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """Who brought it; null for the portal's own."""

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["revision", "key"], name="model_signature_once")]

    def __str__(self) -> str:
        return f"{self.revision_id} by {self.key_id}"


class Severity(models.TextChoices):
    """How much an erratum matters to somebody who uses the model."""

    MINOR = "minor", _("minor")
    SERIOUS = "serious", _("serious")
    CRITICAL = "critical", _("critical")


class ErratumQuerySet(models.QuerySet["Erratum"]):
    """Errata by what they are about."""

    def holding_for(self, revision: Revision | None) -> ErratumQuerySet:
        """Those of a revision, or of all, that no later one corrects; newest first."""
        return self.filter(models.Q(revision=None) | models.Q(revision=revision), corrections=None)


class Erratum(models.Model):
    """What is wrong with a model that is out, found by a person or by the scrub. Never edited: a further one corrects it."""

    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, related_name="errata")
    revision = models.ForeignKey(
        "releases.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="errata"
    )
    """The revision that it is about; null for all of them."""
    severity = models.CharField(max_length=12, choices=Severity.choices)
    title = models.CharField(max_length=160)
    text = models.TextField()
    corrects = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrections")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    scrub = models.BooleanField(default=False)
    """Whether the scrub raised it, and no person."""
    at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, blank=True)
    """When everybody who may have a copy was written to."""

    objects: ClassVar[models.Manager[Erratum]] = ErratumQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name_plural = "errata"
        constraints = [
            models.CheckConstraint(name="erratum_severity_known", condition=models.Q(severity__in=Severity.values)),
            models.CheckConstraint(
                name="erratum_of_scrub_or_person", condition=models.Q(scrub=False) | models.Q(by=None)
            ),
        ]
        indexes = [models.Index(fields=["model", "-at"], name="erratum_of_model")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its place on the model's list of errata."""
        return f"{reverse('releases:errata', args=[self.model.lab.slug, self.model.name])}#erratum-{self.pk}"


class Damage(models.Model):
    """An object of the store that is not what its name says, from the scrub that found it to the one that finds it whole."""

    blob = models.ForeignKey("releases.Blob", on_delete=models.CASCADE, related_name="damages")
    found_at = models.DateTimeField(default=timezone.now)
    fault = models.CharField(max_length=12)
    """`missing`, `tensors`, or `bytes` where no tensor is touched."""
    tensors = ArrayField(models.CharField(max_length=512), default=list, blank=True)
    """Names of the tensors that are damaged."""
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-found_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["blob"], name="damage_open_once", condition=models.Q(repaired_at__isnull=True)
            ),
            models.CheckConstraint(
                name="damage_fault_known", condition=models.Q(fault__in=["missing", "tensors", "bytes"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fault} in {self.blob_id}"
