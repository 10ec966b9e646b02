"""Agreements in the admin: to read. Actions write."""

from django.contrib import admin

from portal.agreements.models import Agreement, Signature, Version
from portal.read_only import ReadOnly


@admin.register(Agreement)
class AgreementAdmin(ReadOnly[Agreement]):
    """Agreements by lab."""

    list_display = ("slug", "lab", "title", "created_at")


@admin.register(Version)
class VersionAdmin(ReadOnly[Version]):
    """Versions by agreement."""

    list_display = ("agreement", "number", "change_class", "published_at", "grace_ends_at")


@admin.register(Signature)
class SignatureAdmin(ReadOnly[Signature]):
    """Signatures by time."""

    list_display = ("receipt_id", "user", "version", "signed_at")
