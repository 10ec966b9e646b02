"""The trail in the admin: to read, never to write."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.audit.events import Event
from portal.audit.models import Entry
from portal.read_only import ReadOnly


class OfEvent(admin.SimpleListFilter):
    """By event. The choices are the closed list: to ask the trail which ones it holds reads all of it."""

    title = parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ANN401 the admin's own
        """Every event."""
        return [(event.value, event.value) for event in Event]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Entries of the chosen one."""
        return queryset.filter(event=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnly[Entry]):
    """Read only."""

    list_display = ("position", "at", "event", "actor", "target_type", "target_id")
    list_filter = (OfEvent,)
    show_full_result_count = False
    search_fields = ("target_id", "actor")
