"""What every page may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal.people.models import User


def page(request: HttpRequest) -> dict[str, Any]:
    """`base_url`, `mode`, and for signed-in people `roles`: the set of roles held in any lab."""
    user = getattr(request, "user", None)
    roles: frozenset[str] = user.roles if isinstance(user, User) else frozenset()
    return {"base_url": settings.BASE_URL, "mode": settings.MODE, "roles": roles}
