"""Links that are mailed to people whom somebody else has named: their secrets, and how many may be sent.

Only the digest of a secret is kept, so each mail carries a new one, and the link of the mail before stops working.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Final, Protocol

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from portal.errors import Conflict, Invalid
from portal.people.domains import mailbox_of
from portal.people.models import MailedProof, User

REMIND_EVERY: Final = timedelta(hours=24)
REMINDERS: Final = 3
"""Reminders that one person is sent because somebody asked for it."""
MAILS_A_DAY: Final = 20
"""People whom one account can name in a day, over all of its applications."""
NAME_LIMIT: Final = 120
_NO_NAME: Final = re.compile(r"[/<>@\\\x00-\x1f]|www\.", re.IGNORECASE)


class Mailed(Protocol):
    """A row that stands for a mailed link."""

    sent_at: datetime
    reminders: int


def fresh() -> tuple[str, str]:
    """(secret for the mail, digest for the row)."""
    secret = secrets.token_urlsafe(32)
    return secret, digest(secret)


def digest(secret: str) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def named(name: str, address: str) -> tuple[str, str]:
    """(name, address), trimmed. Raises Invalid where either could not be a person's: it goes into a mail to a stranger."""
    name, address = " ".join(name.split()), address.strip().lower()
    fields: dict[str, list[str]] = {}
    if not name or len(name) > NAME_LIMIT or is_no_name(name):
        fields["name"] = [_("Write the person’s name, and nothing else.")]
    try:
        validate_email(address)
    except ValidationError:
        fields["email"] = [_("Write a whole address, for example name@northfield.example.")]
    if fields:
        raise Invalid(_("Some answers need another look."), fields=fields)
    return name, address


def is_no_name(text: str) -> bool:
    """Whether a short text holds what only a link or a header would: it must not go into a mail to a stranger."""
    return bool(_NO_NAME.search(text))


def require_rest(row: Mailed, now: datetime) -> None:
    """Raise Conflict where this person has had enough mail, or had one just now."""
    if row.reminders >= REMINDERS:
        raise Conflict(
            _("They were reminded three times. Write to them yourself, or name somebody else."), code="enough_mail"
        )
    if now - row.sent_at < REMIND_EVERY:
        raise Conflict(_("They had a mail within the last day. Try again tomorrow."), code="too_soon")


def require_budget(named_today: int) -> None:
    """Raise Conflict where this account has named enough people for a day."""
    if named_today >= MAILS_A_DAY:
        raise Conflict(_("That is enough mail for a day. Go on tomorrow."), code="enough_mail")


def is_own(user: User, address: str) -> bool:
    """Whether the address is this person's, as far as we know: of the account, or shown at an institution."""
    held = [user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)]
    mailbox = mailbox_of(address)
    shown = MailedProof.objects.filter(affiliation__user=user, mailbox=mailbox, verified_at__isnull=False)
    return mailbox in {mailbox_of(each) for each in held} or shown.exists()


def has_shown(user: User, address: str) -> bool:
    """Whether this account has verified exactly this address."""
    return address in verified_addresses(user)


def verified_addresses(user: User) -> list[str]:
    """The addresses that this account has shown to be its own, in lower case, as ours are kept."""
    shown = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    return [address.lower() for address in shown]
