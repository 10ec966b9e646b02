"""What the person's own pages may use beside `portal.people.context`."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest

from portal.access.outstanding import Asked, asked_of
from portal.people.models import User

THEIR_OWN: Final = frozenset({"people", "access", "tokens", "inference"})
"""The namespaces whose pages remind a holder of what they have to sign."""


def signing(request: HttpRequest) -> dict[str, Any]:
    """`to_sign`: what the signed-in person is asked to sign; asked for only where a page shows it."""

    def to_sign() -> list[Asked]:
        match, user = request.resolver_match, getattr(request, "user", None)
        mine = match is not None and match.namespace in THEIR_OWN and match.view_name != "access:sign_again"
        return asked_of(user) if mine and isinstance(user, User) else []

    return {"to_sign": to_sign}
