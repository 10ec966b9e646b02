"""Entries of the audit trail. Actor and target are copied, never referenced: history outlives both."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """One event. Written once; a trigger refuses every change but the sealer's single one.

    `digest` covers the entry's own content at insertion. Within a second the sealer gives it the next `position`
    and the `seal` = SHA-256 over the previous seal and this digest: the chain. An entry without a position is the
    unsealed tail.
    """

    at = models.DateTimeField()
    event = models.CharField(max_length=60)
    actor_id = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    salt = models.CharField(max_length=32, blank=True)
    commitment = models.CharField(max_length=64, blank=True)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=200)
    lab = models.CharField(max_length=96, blank=True)
    data = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    position = models.BigIntegerField(null=True, unique=True)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["target_type", "target_id"], name="audit_target"),
            models.Index(fields=["id"], name="audit_unsealed", condition=models.Q(position=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="audit_position_with_seal",
                condition=models.Q(position=None, seal="") | (models.Q(position__isnull=False) & ~models.Q(seal="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.target_type} {self.target_id}"


class Root(models.Model):
    """The head of the chain at the end of one day, signed: who keeps a copy can tell a chain that was rewritten.

    Written once; a trigger refuses every change. `document` is what is signed (portal/audit/roots.py).
    """

    day = models.DateField(unique=True)
    first = models.BigIntegerField()
    last = models.BigIntegerField(unique=True)
    document = models.JSONField()
    key_id = models.CharField(max_length=64)
    signature = models.CharField(max_length=128)

    class Meta:
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(
                name="audit_root_covers_something", condition=models.Q(first__gte=1, last__gte=models.F("first"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.first} to {self.last}"
