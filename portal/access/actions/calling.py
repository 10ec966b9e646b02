"""Asking holders by mail to sign a new version: at its publication, and 14 and 3 days before its date of grace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.access import outstanding
from portal.access.signing_models import CallToSign, Occasion
from portal.agreements.models import Agreement, ChangeClass, Version
from portal.audit import trail
from portal.audit.events import Event
from portal.mail import sending
from portal.people.models import User

NEWS: Final = timedelta(days=7)
"""How long a publication is news: a portal that was down for longer does not announce it any more."""
REMINDERS: Final = ((timedelta(days=3), Occasion.LAST_DAYS), (timedelta(days=14), Occasion.FORTNIGHT))
_TEMPLATES: Final = {Occasion.PUBLISHED: "agreement_to_sign"}


def calling_versions(now: datetime) -> QuerySet[Version]:
    """The versions about which somebody may have to be asked now."""
    news = Q(published_at__gt=now - NEWS, published_at__lte=now) & ~Q(change_class=ChangeClass.EDITORIAL)
    soon = Q(grace_ends_at__gt=now, grace_ends_at__lte=now + REMINDERS[-1][0], published_at__lte=now)
    return Version.objects.filter(news | soon).select_related("agreement__lab")


def occasions(version: Version, now: datetime) -> list[Occasion]:
    """On which occasions it asks now. Of the reminders only the nearest, and none that its publication has just been."""
    published, grace = version.published_at, version.grace_ends_at
    if published is None or (grace is not None and grace <= now):
        return []
    found = [Occasion.PUBLISHED] if now - published < NEWS else []
    if grace is not None:
        due = (occasion for before, occasion in REMINDERS if grace - now <= before < grace - published)
        found += [occasion for occasion in [next(due, None)] if occasion]
    return found


def to_call(version: Version, occasion: Occasion) -> QuerySet[User]:
    """The holders who have neither signed it (or a later one) nor been asked on this occasion."""
    called = CallToSign.objects.filter(version=version, occasion=occasion, user=OuterRef("pk"))
    people = outstanding.missing(outstanding.holders(version.agreement), version.agreement, version.number)
    return outstanding.with_standing(people.filter(~Exists(called)), version.agreement)


@transaction.atomic
def call_to_sign(*, user: User, grant: object, version: Version, occasion: Occasion) -> bool:
    """Ask one holder to sign, under the grant of this id. False where they were asked on this occasion already."""
    now = timezone.now()
    made = {"version": version, "user": user, "occasion": occasion}
    _call, created = CallToSign.objects.get_or_create(**made, defaults={"sent_at": now})
    if not created:
        return False
    agreement, grace = version.agreement, version.grace_ends_at
    context: dict[str, Any] = {
        "name": user.get_full_name(),
        "agreement": agreement.title,
        "lab": agreement.lab.name,
        "number": version.number,
        "until": sending.moment(grace),
        "days": (grace - now).days if grace else 0,
        "path": reverse("access:sign_again", args=[grant]),
    }
    template = _TEMPLATES.get(occasion, "agreement_reminder")
    sending.send(
        to=user.email, template=template, context=context, key=f"agreement:{agreement.pk}", language=user.language
    )
    return True


@transaction.atomic
def record_outstanding_export(*, by: User, agreement: Agreement, rows: int, show: str) -> None:
    """Leave an entry that the list of holders is about to leave as a file."""
    facts = {"agreement": agreement.slug, "show": show, "rows": rows}
    trail.record(Event.HOLDERS_EXPORTED, by=by, target=agreement, lab=agreement.lab, **facts)
