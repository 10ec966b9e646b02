"""How often mail about a topic comes: at once, once a day, or not at all. The writers of choices."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid, NotFound
from portal.mail import registry
from portal.mail.models import Choice, DigestHour, Pace, Waiting
from portal.mail.registry import CHOOSABLE, Letter, Topic

if TYPE_CHECKING:
    from portal.people.models import User

_SALT: Final = "mail.stop"


def reader_of(address: str) -> User | None:
    """The person whose first address this is."""
    return get_user_model().objects.filter(email=address.lower()).first()


def paces_of(user: User) -> dict[Topic, Pace]:
    """The pace of every topic that one may choose. One query."""
    chosen = {row.topic: row.pace for row in Choice.objects.filter(user=user)}
    return {topic: Pace(chosen.get(topic, Pace.AT_ONCE)) for topic in CHOOSABLE}


def hour_of(user: User) -> DigestHour:
    """When the person has the digest; not saved where they never said."""
    return DigestHour.objects.filter(user=user).first() or DigestHour(user=user)


def pace_of(user: User | None, letter: Letter) -> Pace:
    """How this letter comes to this person; at once to whoever has no account."""
    if user is None or not letter.choosable:
        return Pace.AT_ONCE
    row = Choice.objects.filter(user=user, topic=letter.topic).first()
    return Pace(row.pace) if row else Pace.AT_ONCE


@transaction.atomic
def choose(*, by: User, paces: Mapping[str, str], hour: int, zone: str) -> None:
    """Choose the pace of topics, and from which hour of which time zone the digest comes. Raises Invalid.

    What waits for a digest of a topic that is now off is dropped; what waits otherwise still comes, once.
    """
    problems: dict[str, list[str]] = {}
    for topic, pace in paces.items():
        if topic not in CHOOSABLE or pace not in Pace.values:
            problems[topic] = [_("Choose one of the three.")]
    if not 0 <= hour <= 23:
        problems["hour"] = [_("Choose an hour from 0 to 23.")]
    if zone not in zoneinfo.available_timezones():
        problems["zone"] = [_("Choose a time zone of the list.")]
    if problems:
        raise Invalid(_("This cannot be kept."), fields=problems)
    DigestHour.objects.update_or_create(user=by, defaults={"hour": hour, "zone": zone})
    _keep(by, paces)


@transaction.atomic
def stop(*, token: str) -> None:
    """Turn off what a signed link is about. Safe to run twice. Raises NotFound where the link is not ours."""
    user, about = read_stop(token)
    daily = [topic for topic, pace in paces_of(user).items() if pace is Pace.DAILY]
    topics = daily if about is Topic.DIGEST else [about]
    _keep(user, dict.fromkeys(topics, Pace.OFF))


def read_stop(token: str) -> tuple[User, Topic]:
    """Whose mail a signed link stops, and about what. Raises NotFound."""
    try:
        pk, about = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError):
        raise NotFound(_("This link is not whole. Open the one in the mail, or choose on your own page.")) from None
    user = get_user_model().objects.filter(pk=pk, is_active=True).first()
    if user is None:
        raise NotFound(_("This account is gone, and so is its mail."))
    return user, Topic(about)


def stop_url(user: User, topic: Topic) -> str:
    """The signed address that stops mail of a topic, without signing in, for as long as the account lives."""
    token = signing.dumps([str(user.pk), topic.value], salt=_SALT)
    return f"{settings.BASE_URL}{reverse('mail:stop', args=[token])}"


def _keep(user: User, paces: Mapping[str, str]) -> None:
    before = paces_of(user)
    changed = {topic: pace for topic, pace in paces.items() if before[Topic(topic)] != pace}
    for topic, pace in changed.items():
        Choice.objects.update_or_create(user=user, topic=topic, defaults={"pace": pace})
    off = {topic for topic, pace in paces.items() if pace == Pace.OFF}
    names = [letter.name for letter in registry.letters() if letter.topic in off]
    Waiting.objects.filter(user=user, letter__in=names).delete()
    if changed:
        told = {str(topic): str(pace) for topic, pace in changed.items()}
        trail.record(Event.PACE_CHANGED, by=user, target=user, paces=told)
