"""What programs look for at the same place of every site: whom to tell of a weakness, and where a password is changed."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.errors import NotFound

HOLDS: Final = timedelta(days=90)
"""The file is written when it is asked for; RFC 9116 wants less than a year."""


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """`security.txt` (RFC 9116). 404 where the operator has named nobody: a wrong address would be worse than none."""
    if not settings.SECURITY_CONTACT:
        raise NotFound(_("The operator of this portal has named nobody to tell."))
    expires = (timezone.now() + HOLDS).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    languages = ", ".join(code for code, _name in settings.LANGUAGES)
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}", f"Expires: {expires}", f"Preferred-Languages: {languages}",
        f"Canonical: {settings.BASE_URL}/.well-known/security.txt", "",
    ]  # fmt: skip
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@require_safe
def change_password(request: HttpRequest) -> HttpResponse:
    """Where keepers of passwords send people (W3C, "A Well-Known URL for Changing Passwords")."""
    return redirect("account_change_password")
