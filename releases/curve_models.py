"""What was measured in a run: Recordings (one imported file each), the Curves in them, and their points in blocks."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Recording(models.Model):
    """One file of numbers that was imported into a logbook. Its curves hang on the runs that it tells of."""

    logbook = models.ForeignKey("releases.Logbook", on_delete=models.CASCADE, related_name="recordings")
    format = models.CharField(max_length=16)
    """A key of releases.curves.formats.READERS."""
    source = models.CharField(max_length=300)
    """The file's name, and where it is from."""
    sha256 = models.CharField(max_length=64, db_collation="C")
    rows = models.BigIntegerField(default=0)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """Who imported it; null for the portal, and for the operator at a shell."""
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["logbook", "sha256"], name="recording_once"),
            models.CheckConstraint(name="recording_digest", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return self.source


class Curve(models.Model):
    """One series of numbers of one run, by the name that releases.curves.names gives it."""

    run = models.ForeignKey("releases.Run", on_delete=models.CASCADE, related_name="curves")
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="curves")
    name = models.CharField(max_length=80, db_collation="C")
    source_name = models.CharField(max_length=200)
    """What the file calls it."""
    points = models.BigIntegerField(default=0)
    left_out = models.BigIntegerField(default=0)
    """Values that were not a number, or not finite: a diverged run writes them. They are counted, not drawn."""

    segments: models.Manager[CurveSegment]

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="curve_once_for_run")]

    def __str__(self) -> str:
        return self.name


class CurveSegment(models.Model):
    """A stretch of a curve in which no axis goes back; an axis belongs to all of its points, or to none (null)."""

    curve = models.ForeignKey(Curve, on_delete=models.CASCADE, related_name="segments")
    number = models.PositiveIntegerField()
    points = models.BigIntegerField()
    levels = models.PositiveSmallIntegerField()
    """Of its pyramid (releases.curves.pyramid); 1 where the points are all there is."""
    first_step = models.FloatField(null=True)
    last_step = models.FloatField(null=True)
    first_tokens = models.FloatField(null=True)
    last_tokens = models.FloatField(null=True)
    first_at = models.FloatField(null=True)
    """Seconds since 1970, as in the blocks."""
    last_at = models.FloatField(null=True)
    least = models.FloatField()
    greatest = models.FloatField()

    class Meta:
        ordering = ["curve", "number"]
        constraints = [
            models.UniqueConstraint(fields=["curve", "number"], name="curve_segment_once"),
            models.CheckConstraint(name="curve_segment_not_empty", condition=Q(points__gte=1, levels__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.curve_id}.{self.number}"


class CurveBlock(models.Model):
    """At most 4,096 points of one level of a segment's pyramid, packed (releases.curves.points)."""

    segment = models.ForeignKey(CurveSegment, on_delete=models.CASCADE, related_name="blocks")
    level = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    first_step = models.FloatField(null=True)
    first_tokens = models.FloatField(null=True)
    first_at = models.FloatField(null=True)
    data = models.BinaryField()

    objects: ClassVar[models.Manager[CurveBlock]] = models.Manager()

    class Meta:
        ordering = ["segment", "level", "number"]
        constraints = [models.UniqueConstraint(fields=["segment", "level", "number"], name="curve_block_once")]

    def __str__(self) -> str:
        return f"{self.segment_id}/{self.level}/{self.number}"
