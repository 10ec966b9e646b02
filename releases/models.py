"""Family, Model, Revision, Ref, File, Blob, and the ledger of downloads.

A revision and its files never change after insertion: the revision's name is a digest of them (releases.git). What
changes is its state, and which revision a ref names.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from releases import (  # noqa: F401 Django looks for every model of an app here
    conversion_models,
    curve_models,
    download_models,
    evaluation_models,
    hardware_models,
    harm_models,
    logbook_models,
    opening_models,
    proof_models,
    reproduction_models,
    search_models,
    stop_models,
)
from releases.lifecycle import State
from releases.querysets import BlobQuerySet, FamilyQuerySet, FileQuerySet, ModelQuerySet, RevisionQuerySet

MAIN: Final = "main"
"""The branch that every model has."""
CHECK_SILENT: Final = timedelta(minutes=10)
"""More than a check takes from one sign of life to the next."""


class Family(models.Model):
    """Models that belong together. One that is not hosted is described here, from public sources, and held elsewhere."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="families")
    slug = models.SlugField(max_length=96)
    title = models.CharField(max_length=160)
    summary = models.TextField(blank=True)
    hosted = models.BooleanField(default=True)
    facts = models.JSONField(default=dict, blank=True)
    """What the family's page shows beyond its models, each value with its source: see releases.entries."""
    largest = models.BigIntegerField(default=0)
    """Parameters of the largest size, for sorting."""
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Family]] = FamilyQuerySet.as_manager()

    class Meta:
        ordering = ["-changed_at", "slug"]
        verbose_name_plural = "families"
        constraints = [models.UniqueConstraint(fields=["lab", "slug"], name="family_slug_per_lab")]
        indexes = [models.Index(fields=["-changed_at", "slug"], name="family_by_change")]

    def __str__(self) -> str:
        return self.full_name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("releases:family", args=[self.lab.slug, self.slug])

    @property
    def full_name(self) -> str:
        """`lab/family`."""
        return f"{self.lab.slug}/{self.slug}"


class Model(models.Model):
    """One released model, `namespace/name`. Its row is never deleted, so that its name is never given to another."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="models")
    name = models.CharField(max_length=96)
    family = models.ForeignKey(Family, on_delete=models.PROTECT, null=True, blank=True, related_name="models")
    gate = models.ForeignKey("access.Gate", on_delete=models.PROTECT, null=True, blank=True, related_name="models")
    """What one must pass to download or query it; null means open."""
    agreement = models.ForeignKey(
        "agreements.Agreement", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """For an open model: terms that are shown, without review."""
    summary = models.CharField(max_length=300, blank=True)
    licence = models.CharField(max_length=80, blank=True)
    """As the published card names it; empty when it names none."""
    parameters = models.BigIntegerField(default=0)
    """Counted in the published weights; 0 when there are none."""
    main = models.ForeignKey("releases.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """What the branch `main` names: the last published revision; null before the first."""
    tip = models.ForeignKey("releases.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """What `main` names to the lab's publishers: the last revision committed to it, published or not."""
    created_at = models.DateTimeField(default=timezone.now)
    opened_at = models.DateTimeField(null=True, blank=True)
    """First published: since when people outside the lab may see it."""
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)
    generation = models.PositiveIntegerField(default=0)
    """Raised when rights to an open model shrink; those behind a gate have the gate's."""

    stopped = False
    """Whether a stop holds it back, where ModelQuerySet.with_stops() has asked."""
    objects: ClassVar[models.Manager[Model]] = ModelQuerySet.as_manager()

    class Meta:
        ordering = ["parameters", "name"]
        constraints = [
            models.UniqueConstraint(
                "lab", Lower("name"), name="model_name_once", violation_error_message=_("This name is taken.")
            ),
            models.CheckConstraint(
                name="model_main_once_opened", condition=models.Q(main=None) | models.Q(opened_at__isnull=False)
            ),
            models.CheckConstraint(
                name="model_withdrawn_with_reason",
                condition=models.Q(withdrawn_at=None, withdrawn_reason="")
                | (models.Q(withdrawn_at__isnull=False) & ~models.Q(withdrawn_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.full_name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("releases:model", args=[self.lab.slug, self.name])

    @property
    def full_name(self) -> str:
        """`namespace/name`: how every client names it."""
        return f"{self.lab.slug}/{self.name}"

    @property
    def own_gate(self) -> str:
        """What stands for an open model where generations are told by gate; it survives a new name."""
        return f"open:{self.pk}"


class Revision(models.Model):
    """One immutable state of a model's files, named by its git commit id."""

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="revisions")
    commit = models.CharField(max_length=40, db_collation="C")
    tree = models.CharField(max_length=40)
    parent = models.CharField(max_length=40, blank=True)
    author = models.CharField(max_length=120)
    email = models.CharField(max_length=254)
    message = models.TextField()
    authored_at = models.DateTimeField()
    folders = models.JSONField(default=dict)
    """Git's id of every folder but the root, by path."""
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in State], default=State.DRAFT.value)
    findings = models.JSONField(default=list, blank=True)
    """What the last check refused, one kept sentence each (`sentences.py`); empty once it passed."""
    notices = models.JSONField(default=list, blank=True)
    """What the last check remarked on without stopping anybody: a kept sentence with its "rule" each."""
    refused = models.JSONField(default=list, blank=True)
    """What the files that were refused would have run: {"path", "imports", "calls", "remarks", "advice"} each."""
    facts = models.JSONField(default=dict, blank=True)
    """Measured by the check: tensors, parameters, elements by type."""
    size = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    check_wanted_at = models.DateTimeField(null=True, blank=True)
    """Since when it waits for its check, or when the check under way last gave a sign of life; null when neither."""
    check_done = models.BigIntegerField(default=0)
    """Bytes that the check under way has read."""
    checked_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)
    withdrawn_instead = models.CharField(max_length=300, blank=True)
    """What to use instead: `namespace/name`, or `namespace/name@commit`; empty where nothing is named."""

    objects: ClassVar[models.Manager[Revision]] = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "commit"], name="revision_commit_once"),
            models.CheckConstraint(name="revision_state_known", condition=models.Q(state__in=[s.value for s in State])),
            models.CheckConstraint(
                name="revision_published_after_check",
                condition=models.Q(state__in=["draft", "checked"], published_at=None)
                | models.Q(state__in=["published", "withdrawn"], published_at__isnull=False, checked_at__isnull=False),
            ),
            models.CheckConstraint(
                name="revision_withdrawn_with_reason",
                condition=models.Q(state="withdrawn", withdrawn_at__isnull=False) & ~models.Q(withdrawn_reason="")
                | ~models.Q(state="withdrawn") & models.Q(withdrawn_at=None, withdrawn_reason=""),
            ),
            models.CheckConstraint(
                name="revision_instead_of_withdrawn",
                condition=models.Q(withdrawn_instead="") | models.Q(state="withdrawn"),
            ),
        ]
        indexes = [models.Index(fields=["model", "-id"], name="revision_of_model")]

    def __str__(self) -> str:
        return f"{self.model_id}@{self.commit[:8]}"

    @property
    def check_is_silent(self) -> bool:
        """Whether a check that is wanted gives no sign of life: its worker died, or the broker forgot it. One may ask anew."""
        return self.check_wanted_at is not None and timezone.now() - self.check_wanted_at > CHECK_SILENT

    @property
    def is_public(self) -> bool:
        """Whether it was published, even if it has been withdrawn since."""
        return self.published_at is not None


class RefKind(models.TextChoices):
    """What a ref is."""

    BRANCH = "branch", _("branch")
    TAG = "tag", _("tag")


class Ref(models.Model):
    """A name for a revision, beside `main`, which the model itself carries."""

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="refs")
    kind = models.CharField(max_length=8, choices=RefKind.choices)
    name = models.CharField(max_length=200, db_collation="C")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="refs")

    class Meta:
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="ref_name_once"),
            models.CheckConstraint(name="ref_is_not_main", condition=~models.Q(name="main")),
            models.CheckConstraint(name="ref_kind_known", condition=models.Q(kind__in=RefKind.values)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class BlobState(models.TextChoices):
    """Whether we have read the object back and found it to be what its name says."""

    STAGED = "staged", _("arrived")
    VERIFIED = "verified", _("verified")
    QUARANTINED = "quarantined", _("quarantined")


class Blob(models.Model):
    """One object of the store, shared by every file with the same content."""

    sha256 = models.CharField(max_length=64, primary_key=True, db_collation="C")
    size = models.BigIntegerField()
    state = models.CharField(max_length=12, choices=BlobState.choices, default=BlobState.STAGED)
    arrived_at = models.DateTimeField(default=timezone.now)
    verified_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Blob]] = BlobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="blob_state_known", condition=models.Q(state__in=BlobState.values)),
            models.CheckConstraint(name="blob_named_by_digest", condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return self.sha256


class Upload(models.Model):
    """One large file on its way: announced by its digest, sent in parts straight to the store, read back at the end."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="uploads")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    sha256 = models.CharField(max_length=64, db_collation="C")
    size = models.BigIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, null=True, blank=True, related_name="uploads")
    """What it became; null before."""
    reference = models.CharField(max_length=1024, blank=True)
    """The store's own name for a multipart upload."""
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["ends_at"], name="upload_by_end", condition=models.Q(blob=None))]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} for {self.model_id}"

    @property
    def key(self) -> str:
        """Its name in the store's staging area: a number that nobody can guess or choose."""
        return self.id.hex


class FormerName(models.Model):
    """A name that a model once had, in each spelling. Addresses that use it are sent on; no other model may take it."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="former_names")
    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=96)
    until = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lab", "name"], name="former_name_once")]

    def __str__(self) -> str:
        return f"{self.lab_id}/{self.name}"


class File(models.Model):
    """One file of a revision."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=1024, db_collation="C")
    folder = models.CharField(max_length=1024, db_collation="C", blank=True)
    """The path without its last part."""
    size = models.BigIntegerField()
    sha1 = models.CharField(max_length=40)
    """Git's blob id; of the pointer when the file is a large-file object."""
    lfs = models.BooleanField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="files")

    objects: ClassVar[models.Manager[File]] = FileQuerySet.as_manager()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["revision", "path"], name="file_path_once")]
        indexes = [models.Index(fields=["revision", "folder", "path"], name="file_in_folder")]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        """The content's SHA-256, 64 hex digits."""
        return str(self.blob_id)

    @property
    def etag(self) -> str:
        """What clients name their cache by: SHA-256 of a large file, git's blob id of any other."""
        return self.sha256 if self.lfs else self.sha1


class Download(models.Model):
    """One link that was given out. Append-only by trigger, partitioned by month, and free of foreign keys.

    Person, token, model and gate are copied: the ledger outlives all of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField()
    user_id = models.CharField(max_length=64, blank=True)
    user = models.CharField(max_length=254, blank=True)
    """Not written any more: a name could not be erased from a ledger that is anchored. `user_id` says who."""
    token_id = models.CharField(max_length=64, blank=True)
    lab = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    commit = models.CharField(max_length=40)
    path = models.CharField(max_length=1024)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    gate = models.CharField(max_length=96, blank=True)
    grant_id = models.CharField(max_length=64, blank=True)
    wanted = models.CharField(max_length=200, blank=True)
    """The Range header as sent."""
    client = models.CharField(max_length=300, blank=True)
    link_ends_at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["model", "-at"], name="download_of_model"),
            models.Index(fields=["user_id", "-at"], name="download_of_person"),
            models.Index(fields=["grant_id", "at"], name="download_of_grant", condition=~models.Q(grant_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.model}@{self.commit[:8]} {self.path}"
