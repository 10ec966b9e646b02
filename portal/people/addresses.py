"""Addresses of an account: whose account an address opens, and what follows when one is confirmed, preferred or taken away."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import (
    email_changed,
    email_confirmed,
    email_removed,
    password_reset,
)
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from portal.audit import trail
from portal.audit.events import Event
from portal.people import erasure
from portal.people.models import Membership, User
from portal.people.passwords import TAKEN


def opened_by(address: str) -> list[User]:
    """Whose account mail to the address may open: who has confirmed it, or else who signed up with it.

    To have written it among one's addresses is no more than a claim, which anybody may make of anybody's address.
    Two queries at most.
    """
    email = address.strip().lower()
    confirmed = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    return [confirmed.user] if confirmed else list(User.objects.filter(email=email))


@receiver(email_confirmed)
def _confirmed(request: HttpRequest, email_address: EmailAddress, **_kwargs: Any) -> None:
    user = email_address.user
    with transaction.atomic():
        trail.record(Event.ADDRESS_CONFIRMED, by=user, target=user)
        _make_room(email_address)
    if email_address.email != user.email:  # it opens the account from now on: whoever did not do it must hear of it
        get_adapter(request).send_notification_mail("account/email/email_added", user)


def _make_room(address: EmailAddress) -> None:
    """Erase the sign-ups with this address that nobody ever came in by: its owner has shown that it is theirs."""
    begun = User.objects.filter(email=address.email, last_login=None, is_staff=False).exclude(pk=address.user_id)
    proven = EmailAddress.objects.filter(verified=True).values("user")
    for user in begun.exclude(pk__in=proven).exclude(pk__in=Membership.objects.values("user")):
        erasure.erase_now(user=user)


@receiver(email_changed)
def _changed(user: User, **_kwargs: Any) -> None:
    with transaction.atomic():
        trail.record(Event.ADDRESS_MADE_FIRST, by=user, target=user)


@receiver(email_removed)
def _removed(user: User, **_kwargs: Any) -> None:
    with transaction.atomic():
        trail.record(Event.ADDRESS_REMOVED, by=user, target=user)


@receiver(TAKEN)
def _drop_claims(user: User, **_kwargs: Any) -> None:
    """Links that wait to be followed may be those of whoever the new password is to keep out."""
    EmailAddress.objects.filter(user=user, verified=False, primary=False).exclude(email=user.email).delete()


@receiver(password_reset)
def _drop_squatters(user: User, **_kwargs: Any) -> None:
    """An account that nobody came in by yet belongs to whoever reads its mail, and not to who began it from elsewhere."""
    if user.last_login is None:
        SocialAccount.objects.filter(user=user).delete()
