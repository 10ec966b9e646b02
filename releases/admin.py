"""Releases in the operator's admin: to read. Actions and `manage.py ingest` write."""

from django.contrib import admin

from portal.read_only import ReadOnly, Row
from releases.models import Blob, Download, Family, Model, Revision


class Uncounted(ReadOnly[Row]):
    """Read only; a filtered list is not put beside the sum of all rows, which would be counted for it."""

    show_full_result_count = False


@admin.register(Family)
class FamilyAdmin(Uncounted[Family]):
    """Families."""

    list_display = ("__str__", "title", "hosted", "changed_at")
    list_select_related = ("lab",)


@admin.register(Model)
class ModelAdmin(Uncounted[Model]):
    """Models."""

    list_display = ("__str__", "gate", "parameters", "opened_at", "withdrawn_at")
    list_select_related = ("lab", "gate")


@admin.register(Revision)
class RevisionAdmin(Uncounted[Revision]):
    """Revisions."""

    list_display = ("commit", "model", "state", "size", "published_at")
    list_select_related = ("model__lab",)


@admin.register(Blob)
class BlobAdmin(Uncounted[Blob]):
    """Objects of the store."""

    list_display = ("sha256", "size", "state", "verified_at")


@admin.register(Download)
class DownloadAdmin(Uncounted[Download]):
    """The ledger."""

    list_display = ("at", "user_id", "model", "path", "size")
