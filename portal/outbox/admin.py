"""The outbox in the admin: what waits and what was given up, to read and to try again. What a message says stays out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from portal.outbox import delivery
from portal.outbox.models import Message
from portal.read_only import ReadOnly, among

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class StateFilter(admin.SimpleListFilter):
    """Given up, waiting or delivered; what was given up first."""

    title = _("state")
    parameter_name = "state"
    CHOICES: Final[dict[str, tuple[Promise, dict[str, Any]]]] = {
        "given_up": (_("given up"), {"failed_at__isnull": False}),
        "waiting": (_("waiting"), {"ended_at": None}),
        "delivered": (_("delivered"), {"delivered_at__isnull": False}),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Message]) -> list[tuple[str, Any]]:
        """The words of the filter."""
        return [(name, words) for name, (words, _rows) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """The rows of the chosen state."""
        chosen = self.CHOICES.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


@admin.register(Message)
class MessageAdmin(ReadOnly[Message]):
    """Read only, but for trying again what was given up."""

    list_display = ("id", "topic", "key", "created_at", "attempts", "failed_at", "delivered_at", "last_error")
    list_filter = (StateFilter, among("topic", delivery.topics))
    fields = ("topic", "key", "created_at", "next_attempt_at", "attempts", "delivered_at", "failed_at", "last_error")
    ordering = ("-id",)
    actions = ("try_again",)

    @admin.action(description=_("Try again what was given up"))
    def try_again(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Put the chosen messages that were given up back in the outbox."""
        given_up = list(queryset.filter(failed_at__isnull=False))
        for message in given_up:
            delivery.try_again(by=cast("AbstractBaseUser", request.user), message=message)
        n = len(given_up)
        messages.success(request, ngettext("%(n)s message waits again.", "%(n)s messages wait again.", n) % {"n": n})
