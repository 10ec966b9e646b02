"""What the end of a session means for its pages' tokens."""

from __future__ import annotations

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from portal.people.models import User
from portal.people.passwords import TAKEN
from portal.tokens import page_actions


@receiver(user_logged_out)
def signed_out(sender: object, request: HttpRequest, user: object, **_more: object) -> None:
    """Whoever signs out takes back what this session's pages query with, before the session itself is gone."""
    key = request.session.session_key
    if isinstance(user, User) and key:
        page_actions.end_session(by=user, session=key)


@receiver(TAKEN)
def renewed(sender: object, user: User, **_more: object) -> None:
    """Whoever takes a new password shuts everybody out who came with the old one, at the gateway from the next request on."""
    page_actions.end_every_session(by=user)
