"""Files that applicants attach: kept in the database, outside of any web root, and never served as a page.

The bytes lie in a table of their own, so that lists of attachments do not read them.
"""

from __future__ import annotations

import uuid
from typing import Final

from django.db import models

LARGEST: Final = 5 << 20
"""Bytes of one file."""


class Attachment(models.Model):
    """One PDF under one question of one application."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey("access.Application", on_delete=models.PROTECT, related_name="attachments")
    field = models.CharField(max_length=100)
    name = models.CharField(max_length=120)
    size = models.PositiveIntegerField()
    """Bytes."""
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="attachment_size", condition=models.Q(size__gt=0, size__lte=LARGEST)),
        ]

    def __str__(self) -> str:
        return self.name


class AttachedBytes(models.Model):
    """The bytes of an attachment."""

    attachment = models.OneToOneField(Attachment, on_delete=models.CASCADE, primary_key=True, related_name="bytes")
    content = models.BinaryField()

    def __str__(self) -> str:
        return str(self.attachment)
