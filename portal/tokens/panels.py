"""What tokens show on `/me/`."""

from __future__ import annotations

from typing import Any

from portal.people.models import User
from portal.people.panels import panel
from portal.tokens.models import AccessToken


@panel("tokens/_panel.html", order=30)
def live(user: User) -> dict[str, Any]:
    """How many tokens would open something."""
    return {"live": AccessToken.objects.active().named().filter(user=user).count()}
