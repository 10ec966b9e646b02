"""Agreements in the admin: to read. Actions write."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from portal.agreements.models import Agreement, Signature, Version


class ReadOnly(admin.ModelAdmin[Any]):
    """Shows rows; writes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Actions add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Actions change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing here is deleted."""
        return False


@admin.register(Agreement)
class AgreementAdmin(ReadOnly):
    """Agreements by lab."""

    list_display = ("slug", "lab", "title", "created_at")


@admin.register(Version)
class VersionAdmin(ReadOnly):
    """Versions by agreement."""

    list_display = ("agreement", "number", "change_class", "published_at", "grace_ends_at")


@admin.register(Signature)
class SignatureAdmin(ReadOnly):
    """Signatures by time."""

    list_display = ("receipt_id", "user", "version", "signed_at")
