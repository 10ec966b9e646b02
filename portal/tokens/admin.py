"""Tokens in the admin: to read. Actions write."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from portal.agreements.admin import ReadOnly
from portal.tokens.device_models import DeviceLogin
from portal.tokens.models import AccessToken


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin[Any]):
    """Read only; the digest is not shown."""

    list_display = ("hint", "label", "user", "kind", "expires_at", "revoked_at", "last_used_at")
    exclude = ("digest",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Actions add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Actions change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing here is deleted."""
        return False


@admin.register(DeviceLogin)
class DeviceLoginAdmin(ReadOnly):
    """Logins of programs without a browser; the digests are not shown."""

    list_display = ("client_id", "place", "user", "state", "created_at", "decided_at")
    exclude = ("device_digest", "user_digest")
