"""Sent mail and unreachable addresses in the admin: to read."""

from django.contrib import admin

from portal.mail import registry
from portal.mail.models import Sent, Unreachable
from portal.read_only import ReadOnly, among


@admin.register(Sent)
class SentAdmin(ReadOnly[Sent]):
    """Every mail of the last 90 days, and how it fared."""

    list_display = ("sent_at", "letter", "address", "state", "state_at", "message_id")
    list_filter = ("state", among("letter", lambda: [letter.name for letter in registry.letters()]))
    search_fields = ("address", "message_id")


@admin.register(Unreachable)
class UnreachableAdmin(ReadOnly[Unreachable]):
    """Addresses that mail does not reach, or did not reach for a time."""

    list_display = ("address", "why", "since", "reached_at")
    list_filter = ("why", ("reached_at", admin.EmptyFieldListFilter))
    search_fields = ("address",)
