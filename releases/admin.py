"""Releases in the operator's admin: to read. Actions and `manage.py ingest` write."""

from django.contrib import admin
from django.db.models import Model as Table
from django.http import HttpRequest

from releases.models import Blob, Download, Family, Model, Revision


class ReadOnly(admin.ModelAdmin[Table]):
    """Shows, and changes nothing."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Actions add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Table | None = None) -> bool:
        """Actions change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Table | None = None) -> bool:
        """Nothing is removed here."""
        return False


@admin.register(Family)
class FamilyAdmin(ReadOnly):
    """Families."""

    list_display = ("__str__", "title", "hosted", "changed_at")
    list_select_related = ("lab",)


@admin.register(Model)
class ModelAdmin(ReadOnly):
    """Models."""

    list_display = ("__str__", "gate", "parameters", "opened_at", "withdrawn_at")
    list_select_related = ("lab", "gate")


@admin.register(Revision)
class RevisionAdmin(ReadOnly):
    """Revisions."""

    list_display = ("commit", "model", "state", "size", "published_at")
    list_select_related = ("model__lab",)


@admin.register(Blob)
class BlobAdmin(ReadOnly):
    """Objects of the store."""

    list_display = ("sha256", "size", "state", "verified_at")


@admin.register(Download)
class DownloadAdmin(ReadOnly):
    """The ledger."""

    list_display = ("at", "user_id", "model", "path", "size")
