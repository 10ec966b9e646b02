"""Pools, backends and allowances in the admin: to read. Actions and `manage.py pool` write."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from inference.models import Allowance, Backend, EngineCount, Pool


class ReadOnly(admin.ModelAdmin[Model]):
    """Shows, and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Actions add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Actions change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Actions remove."""
        return False


@admin.register(Pool)
class PoolAdmin(ReadOnly):
    """Pools."""

    list_display = ("__str__", "model", "commit", "context", "canary_percent", "retired_at")


@admin.register(Backend)
class BackendAdmin(ReadOnly):
    """Engine servers."""

    list_display = ("__str__", "url", "engine", "draining", "started_at")


@admin.register(Allowance)
class AllowanceAdmin(ReadOnly):
    """Allowances, past and present."""

    list_display = ("__str__", "model", "tokens_per_period", "starts_at", "ends_at")


@admin.register(EngineCount)
class EngineCountAdmin(ReadOnly):
    """Comparisons of the ledger with the engines."""

    list_display = ("backend", "at", "prompt_drift", "completion_drift")
