"""Tokens in the admin: to read. Actions write."""

from django.contrib import admin

from portal.read_only import ReadOnly
from portal.tokens.device_models import DeviceLogin
from portal.tokens.models import AccessToken


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnly[AccessToken]):
    """Tokens; the digest is not shown."""

    list_display = ("hint", "label", "user", "kind", "expires_at", "revoked_at", "last_used_at")
    exclude = ("digest",)


@admin.register(DeviceLogin)
class DeviceLoginAdmin(ReadOnly[DeviceLogin]):
    """Logins of programs without a browser; the digests are not shown."""

    list_display = ("client_id", "place", "user", "state", "created_at", "decided_at")
    list_select_related = ("user",)
    exclude = ("device_digest", "user_digest")
