"""The operator's admin: entered by the portal's own sign-in alone, so with its limits and with the second factor."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal.errors import NotAllowed


class OperatorSite(AdminSite):
    """Django's, without its own form for a password."""

    site_title = "Weighbridge"
    site_header = _("Weighbridge, for its operator")
    index_title = _("What the portal holds")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the sign-in, and from there on. Raises NotAllowed for whoever is signed in and is no operator."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
        if not self.has_permission(request):
            raise NotAllowed("These pages are for the operator of the portal.")
        return HttpResponseRedirect(reverse("admin:index"))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where everybody changes theirs, and is written to of it."""
        return HttpResponseRedirect(reverse("account_change_password"))
