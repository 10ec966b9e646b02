"""Sent mail and unreachable addresses in the admin: to read."""

from __future__ import annotations

from typing import Generic, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from portal.mail.models import Sent, Unreachable

Row = TypeVar("Row", bound=Model)


class ReadOnly(admin.ModelAdmin[Row], Generic[Row]):
    """What mail services tell is nobody's to change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from sending and from the mail service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """They are never changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """They go when their time is over."""
        return False


@admin.register(Sent)
class SentAdmin(ReadOnly[Sent]):
    """Every mail of the last 90 days, and how it fared."""

    list_display = ("sent_at", "letter", "address", "state", "state_at", "message_id")
    list_filter = ("state", "letter")
    search_fields = ("address", "message_id")


@admin.register(Unreachable)
class UnreachableAdmin(ReadOnly[Unreachable]):
    """Addresses that mail does not reach, or did not reach for a time."""

    list_display = ("address", "why", "since", "reached_at")
    list_filter = ("why", ("reached_at", admin.EmptyFieldListFilter))
    search_fields = ("address",)
