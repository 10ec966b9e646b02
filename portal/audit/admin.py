"""The trail in the admin: to read, never to write."""

from django.contrib import admin

from portal.audit.events import Event
from portal.audit.models import Entry
from portal.read_only import ReadOnly, among


@admin.register(Entry)
class EntryAdmin(ReadOnly[Entry]):
    """Read only, the newest first."""

    list_display = ("position", "at", "event", "actor", "target_type", "target_id")
    list_filter = (among("event", lambda: [event.value for event in Event]),)
    ordering = ("-id",)
    show_full_result_count = False
    search_fields = ("target_id", "actor")
