"""New passwords: what tells of them, and what the audit trail hears."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.signals import password_changed, password_reset, password_set
from django.db import transaction
from django.dispatch import Signal, receiver

from portal.audit import trail
from portal.audit.events import Event
from portal.people.models import User

given_on_server = Signal()
"""Sent by User with `user`, whose new password somebody with access to the server gave."""
_HOW: Final = {
    password_changed: "changed",
    password_reset: "by a link",
    password_set: "first",
    given_on_server: "on the server",
}
TAKEN: Final = tuple(_HOW)
"""Every signal that an account has a new password; each comes with `user`."""


@receiver(TAKEN)
@transaction.atomic
def _taken(user: User, signal: Signal, **_kwargs: Any) -> None:
    by = None if signal is given_on_server else user
    trail.record(Event.PASSWORD_CHANGED, by=by, target=user, how=_HOW[signal])
