"""Whether mail reaches a person: a copy on the account of what portal.mail knows, and the way to put it right."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed
from django.core import signing
from django.db import transaction
from django.dispatch import receiver
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotFound
from portal.mail import reach, sending
from portal.mail.models import Unreachable
from portal.mail.signals import reach_changed
from portal.people.models import User

LINK_LIFE: Final = timedelta(days=3)
_SALT: Final = "people.mail_check"


@transaction.atomic
def ask_check(*, by: User) -> None:
    """Mail a link to an address that mail did not reach. Raises Conflict where it does."""
    user = User.objects.select_for_update().get(pk=by.pk)
    if user.unreachable_since is None:
        raise Conflict(_("Nothing came back from this address; there is nothing to put right."), code="reached")
    path = reverse("people:mail_check", args=[signing.dumps([str(user.pk), user.email], salt=_SALT)])
    context = {"name": user.get_full_name(), "path": path}
    key = f"user:{user.pk}"
    sending.send(to=user.email, template="address_check", context=context, key=key, language=user.language)


def address_of(*, by: User, token: str) -> str:
    """The address that a mailed link shows; raises NotFound where it is too old, or another's."""
    try:
        pk, address = signing.loads(token, salt=_SALT, max_age=LINK_LIFE)
    except (signing.BadSignature, ValueError):
        pk, address = "", ""
    if pk != str(by.pk) or address != by.email:
        raise NotFound(_("This link has run out, or belongs to another account or address. Ask for a new one."))
    return str(address)


@transaction.atomic
def confirm(*, by: User, token: str) -> None:
    """Write to the address again. Following the link twice is the same as once."""
    reach.reached(address=address_of(by=by, token=token))


@receiver(reach_changed)
def _note(sender: object, address: str, why: str, at: datetime, **kwargs: Any) -> None:
    user = User.objects.select_for_update().filter(email=address).first()
    if user is None:
        return
    _copy(user)
    if why:
        trail.record(Event.ADDRESS_UNREACHABLE, by=None, target=user, why=str(why))
    else:
        trail.record(Event.ADDRESS_REACHED, by=user, target=user)


@receiver(email_confirmed)
def _confirmed(email_address: EmailAddress, **kwargs: Any) -> None:
    reach.reached(address=email_address.email)


@receiver(email_changed)
def _changed(user: User, **kwargs: Any) -> None:
    _copy(user)


def _copy(user: User) -> None:
    """Let the account know what is known of its present address."""
    since = Unreachable.objects.filter(address=user.email, reached_at=None).values_list("since", flat=True).first()
    user.unreachable_since = since
    User.objects.filter(pk=user.pk).update(unreachable_since=since)
