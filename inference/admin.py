"""Pools, backends and allowances in the admin: to read. Actions and `manage.py pool` write."""

from django.contrib import admin

from inference.models import Allowance, Backend, EngineCount, Pool
from portal.read_only import ReadOnly


@admin.register(Pool)
class PoolAdmin(ReadOnly[Pool]):
    """Pools."""

    list_display = ("__str__", "model", "commit", "context", "canary_percent", "retired_at")
    list_select_related = ("lab", "model__lab")


@admin.register(Backend)
class BackendAdmin(ReadOnly[Backend]):
    """Engine servers."""

    list_display = ("__str__", "url", "engine", "draining", "started_at")
    list_select_related = ("pool__lab",)


@admin.register(Allowance)
class AllowanceAdmin(ReadOnly[Allowance]):
    """Allowances, past and present."""

    list_display = ("__str__", "model", "tokens_per_period", "starts_at", "ends_at")
    list_select_related = ("lab", "project", "model__lab")


@admin.register(EngineCount)
class EngineCountAdmin(ReadOnly[EngineCount]):
    """Comparisons of the ledger with the engines."""

    list_display = ("backend", "at", "prompt_drift", "completion_drift")
