"""Linked accounts: who vouches for a person, what that shows to reviewers, and what need not be typed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.people import orcid
from portal.people.affiliation_actions import Place
from portal.people.domains import FREE_MAIL, domain_of
from portal.people.models import Institution, Position, User

CONFIRM: Final = "confirm"
"""Why one goes to a provider: not to sign in or to link, but to show that it is still the same person."""
POSITIONS: Final = {"faculty": Position.FACULTY, "staff": Position.STAFF, "student": Position.STUDENT}
"""eduPerson's words for what one is at an institution, where they say as much as ours."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One linked account, to be read: who vouches, for whom, since when."""

    pk: int
    provider_id: str
    provider: str
    """The provider's name in words."""
    label: str
    url: str
    since: datetime


def identities(user: User) -> list[Identity]:
    """The person's linked accounts, ORCID first. One query."""
    rows = SocialAccount.objects.filter(user=user).order_by("date_joined")
    names = {
        app["provider_id"]: app["name"] for told in settings.SOCIALACCOUNT_PROVIDERS.values() for app in told["APPS"]
    }
    found = [
        Identity(row.pk, row.provider, names.get(row.provider, row.provider), _label(row), _url(row), row.date_joined)
        for row in rows
    ]
    return sorted(found, key=lambda each: not each.url)


def _label(account: SocialAccount) -> str:
    if account.provider == orcid.PROVIDER:
        return str(account.uid)
    told = account.extra_data
    return str(told.get("login") or told.get("email") or told.get("name") or account.uid)


def _url(account: SocialAccount) -> str:
    return orcid.address(account.uid) if account.provider == orcid.PROVIDER else ""


def orcid_page(user: User) -> str:
    """The address of the ORCID record that ORCID says is theirs; empty where there is none. One query."""
    found = SocialAccount.objects.filter(user=user, provider=orcid.PROVIDER).order_by("date_joined").first()
    return orcid.address(found.uid) if found else ""


def suggested_place(user: User) -> Place | None:
    """Where the person works, as far as their provider or a verified address says so: a first answer, no evidence.

    None where that names no institution of the register, or several. Two queries for each domain, of which there are few.
    """
    accounts = list(SocialAccount.objects.filter(user=user).order_by("date_joined"))
    addresses = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    domains = [*_home_domains(accounts), *map(domain_of, addresses)]
    for domain in dict.fromkeys(each for each in domains if each and each not in FREE_MAIL):
        found = Institution.objects.of_domain(domain)
        if found:
            return Place(
                found.name, ror=found.ror, klass=found.klass, country=found.country, position=_position(accounts)
            )
    return None


def _affiliations(accounts: list[SocialAccount]) -> Iterator[tuple[str, str]]:
    """(what one is, at which domain) of eduPerson's scoped affiliations, as `staff@northfield.example`."""
    for account in accounts:
        told: Any = account.extra_data.get("eduperson_scoped_affiliation", [])
        for each in [told] if isinstance(told, str) else told if isinstance(told, list) else []:
            word, _at, domain = str(each).lower().partition("@")
            yield word, domain


def _home_domains(accounts: list[SocialAccount]) -> list[str]:
    homes = [str(account.extra_data.get("schac_home_organization", "")).lower() for account in accounts]
    return homes + [domain for _word, domain in _affiliations(accounts)]


def _position(accounts: list[SocialAccount]) -> str:
    said = {word for word, _domain in _affiliations(accounts)}
    return next((str(position) for word, position in POSITIONS.items() if word in said), "")


def record_linked(user: User, provider: str) -> None:
    """Tell the trail; inside the transaction that links."""
    trail.record(Event.ACCOUNT_LINKED, by=user, target=user, provider=provider)


@transaction.atomic
def unlink(*, by: User, account: SocialAccount) -> None:
    """Take away a linked account: it opens nothing here any more, and is no evidence.

    Raises Conflict where nothing else would open this one: of two that go at once, in two windows, the second stays.
    """
    user = User.objects.select_for_update().get(pk=by.pk)
    others = SocialAccount.objects.filter(user=user).exclude(pk=account.pk)
    if not user.has_usable_password() and not others.exists():
        raise Conflict(_("Set a password first: without one, nothing would open this account any more."))
    if SocialAccount.objects.filter(pk=account.pk, user=user).delete()[0]:
        trail.record(Event.ACCOUNT_UNLINKED, by=by, target=by, provider=account.provider)


@receiver(social_account_added)
def _added(sociallogin: SocialLogin, **_kwargs: Any) -> None:
    with transaction.atomic():
        record_linked(sociallogin.user, sociallogin.account.provider)
