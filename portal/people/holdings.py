"""What is held about people here and by Django's own apps. Sentences are for docs/privacy.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from portal.audit import trail
from portal.audit.models import Entry
from portal.mail.models import Sent, Unreachable
from portal.outbox.models import Message
from portal.people.models import User
from portal.people.privacy import Holding, hold, impersonal


def _entries(user: User) -> QuerySet[Any]:
    return Entry.objects.filter(actor_id=str(user.pk))


def pseudonym(user: User) -> str:
    """The address that takes the place of a person's own: it reaches nobody."""
    return f"erased-{user.pk}@erased.invalid"


def _addresses(user: User) -> list[str]:
    return [user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)]


def _messages(user: User) -> QuerySet[Any]:
    return Message.objects.filter(payload__to__in=_addresses(user))


def _sent(user: User) -> QuerySet[Any]:
    return Sent.objects.filter(address__in=_addresses(user))


def _unreachable(user: User) -> QuerySet[Any]:
    return Unreachable.objects.filter(address__in=_addresses(user))


hold(
    Holding(
        "people.User",
        why=_("to know who one is"),
        kept=_("as long as the account; a pseudonym remains"),
        of=lambda user: User.objects.filter(pk=user.pk),
        erased={"email": pseudonym, "name": "Erased person", "page": "", "language": settings.LANGUAGE_CODE},
        secret=("password",),
    ),
    Holding(
        "people.ErasureRequest",
        why=_("to erase after the time for a change of mind"),
        kept=_("3 years after it ended"),
        of="user",
        stays=("user",),
        purge="ended_at",
        age=timedelta(days=3 * 365),
    ),
    Holding(
        "people.Membership", why=_("who acts for a lab"), kept=_("for good: decisions name it"), of="user", stays=("user",)
    ),
    Holding(
        "people.Affiliation",
        why=_("evidence of where one works"),
        kept=_("as long as the account"),
        of="user",
        erased={"user": None, "organisation": "", "site": "", "country": "", "contested": "", "evidence": ""},
        deletes=True,
    ),
    Holding(
        "people.MailedProof",
        why=_("evidence of an address at an institution"),
        kept=_("as long as the account"),
        of="affiliation__user",
        erased={"address": "", "mailbox": ""},
        secret=("digest",),
        deletes=True,
    ),
    Holding(
        "account.EmailAddress", why=_("to reach one and to sign in"), kept=_("as long as the account"), of="user",
        erased={"user": None, "email": ""}, deletes=True,
    ),
    Holding(
        "account.EmailConfirmation", why=_("to verify an address"), kept=_("3 days"), of="email_address__user",
        secret=("key",), deletes=True, exported=False, purge="created", age=timedelta(days=3),
    ),
    Holding(
        "mfa.Authenticator", why=_("to sign in with a second factor"), kept=_("as long as the account"), of="user",
        stays=("user",), secret=("data",), deletes=True,
    ),
    Holding(
        "socialaccount.SocialAccount", why=_("to sign in with an account elsewhere, and as evidence of who one is"),
        kept=_("as long as the account"), of="user", erased={"user": None, "uid": "", "extra_data": {}},
        plain=("provider",), deletes=True,
    ),
    Holding(
        "socialaccount.SocialToken", why=_("never written: we act for nobody elsewhere"), kept=_("not at all"),
        of="account__user", secret=("token", "token_secret"), deletes=True,
    ),
    Holding(
        "sessions.Session", why=_("to stay signed in"), kept=_("14 days; erasing makes them useless at once"),
        secret=("session_key", "session_data"), exported=False, purge="expire_date",
    ),
    Holding(
        "admin.LogEntry", why=_("what the operator did in the admin"), kept=_("3 years"), of="user",
        stays=("user", "object_id", "object_repr", "change_message"), purge="action_time", age=timedelta(days=3 * 365),
    ),
    Holding(
        "outbox.Message", why=_("mail and messages on their way"), kept=_("30 days after it was delivered or given up"), of=_messages,
        erased={"payload": {}, "key": "", "last_error": ""}, plain=("topic",), deletes=True, exported=False,
        purge="ended_at", age=timedelta(days=30),
    ),
    Holding(
        "mail.Choice", why=_("how often one wants mail"), kept=_("as long as the account"), of="user", stays=("user",), deletes=True,
    ),
    Holding(
        "mail.DigestHour", why=_("when one wants the digest"), kept=_("as long as the account"), of="user",
        stays=("user",), plain=("zone",), deletes=True,
    ),
    Holding(
        "mail.Waiting", why=_("lines of one's next digest"), kept=_("until it is sent; a month at most"), of="user",
        erased={"subject": "", "path": ""}, stays=("user",), plain=("letter",), deletes=True,
        purge="at", age=timedelta(days=30),
    ),
    Holding(
        "mail.Sent", why=_("to see whether mail arrived"), kept=_("90 days"), of=_sent,
        erased={"address": "", "message_id": ""}, plain=("letter",), deletes=True, purge="sent_at", age=timedelta(days=90),
    ),
    Holding(
        "mail.Unreachable", why=_("not to write where mail does not arrive"), kept=_("3 years"), of=_unreachable,
        erased={"address": ""}, deletes=True, purge="since", age=timedelta(days=3 * 365),
    ),
    Holding(
        "mail.Told", why=_("to count once what a mail service tells"), kept=_("90 days"), plain=("digest",), exported=False,
        purge="at", age=timedelta(days=90),
    ),
    Holding(
        "audit.Entry", why=_("proof of who did what"), kept=_("for good; the name goes, an id and a commitment stay"),
        of=_entries, eraser=trail.forget, erased={"actor": "", "salt": ""}, stays=("actor_id", "commitment", "target_id", "data"),
        plain=("event", "target_type", "lab", "digest", "seal"),
    ),
)  # fmt: skip
impersonal(
    "audit.Root", "switches.SwitchState", "people.Lab", "people.Institution", "people.ReviewedDomain", "socialaccount.SocialApp",
    "auth.Permission", "auth.Group", "contenttypes.ContentType",
)  # fmt: skip
