"""What is drawn from the ledger of downloads: sums by day, caps by the day, and days that stand out.

Sums can be thrown away and drawn again; nothing here is the record. People are named by id, as in the ledger.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Asked(models.Func):
    """Bytes that a row of the ledger gave: those of its range, or the whole file. A function of the database."""

    function = "releases_asked"
    output_field = models.BigIntegerField()

    def __init__(self) -> None:
        super().__init__("wanted", "size")


class DailyDownload(models.Model):
    """Links that one person was given for one revision on one day (UTC), by client. An empty `user_id`: without account."""

    day = models.DateField()
    lab = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    commit = models.CharField(max_length=40)
    user_id = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=60, blank=True)
    """Program and version, as far as it is one we know."""
    links = models.BigIntegerField()
    bytes = models.BigIntegerField()

    class Meta:
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["day", "model", "commit", "user_id", "client"], name="daily_download_once")
        ]
        indexes = [
            models.Index(fields=["model", "-day"], name="daily_download_of_model"),
            models.Index(fields=["lab", "-day"], name="daily_download_of_lab"),
            models.Index(fields=["user_id", "-day"], name="daily_download_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"


class DailyFile(models.Model):
    """Links that were given for one file on one day (UTC), whoever asked."""

    day = models.DateField()
    model = models.CharField(max_length=200)
    commit = models.CharField(max_length=40)
    path = models.CharField(max_length=1024)
    links = models.BigIntegerField()
    bytes = models.BigIntegerField()

    class Meta:
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["model", "day", "commit", "path"], name="daily_file_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.path}"


class DailyCap(models.Model):
    """Bytes that one grant may be given in any 24 hours: of each grant behind a gate, or of one grant in its place."""

    gate = models.OneToOneField("access.Gate", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    grant = models.OneToOneField("access.Grant", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    bytes = models.BigIntegerField(null=True)
    """Null, for a grant: no cap, whatever its gate has."""
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="daily_cap_of_one", condition=Q(gate=None, grant__isnull=False) | Q(gate__isnull=False, grant=None)
            ),
            models.CheckConstraint(name="daily_cap_positive", condition=Q(bytes=None) | Q(bytes__gt=0)),
            models.CheckConstraint(name="daily_cap_of_gate", condition=Q(gate=None) | Q(bytes__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.bytes} of {self.grant_id or self.gate_id}"


class Surge(models.Model):
    """A day on which one person was given far more of a lab's files than on their other days. Told once, and no more."""

    lab = models.ForeignKey("people.Lab", on_delete=models.CASCADE, related_name="+")
    user_id = models.CharField(max_length=64)
    day = models.DateField()
    bytes = models.BigIntegerField()
    usual = models.BigIntegerField()
    """The median of the person's other days; 0 where there are none."""
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-day", "-bytes"]
        constraints = [models.UniqueConstraint(fields=["lab", "user_id", "day"], name="surge_once")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.day}"
