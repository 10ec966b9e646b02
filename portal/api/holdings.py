"""What the API holds about people."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.api.idempotency import LIFE
from portal.people.privacy import Holding, hold

hold(
    Holding(
        "api.KeptAnswer", why=_("to give the same answer when a program sends a write twice"), kept=_("24 hours"),
        of="user", secret=("body",), plain=("name", "fingerprint"), erased={"user": None}, deletes=True, exported=False,
        purge="made_at", age=LIFE,
    )
)  # fmt: skip
