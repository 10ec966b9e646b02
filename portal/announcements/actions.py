"""The writers of announcements, all of them the operator's."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.core.cache import caches
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.announcements.models import REMARK, TEXT, TITLE, Announcement, Kind, Remark
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User

KEPT: Final = "announcements"
"""Under this name each process keeps what its pages tell of."""


@transaction.atomic
def publish(
    *, kind: Kind, title: str, text: str, starts_at: datetime | None, ends_at: datetime | None, by: User | None
) -> Announcement:
    """Tell everybody. Without a beginning it begins now. Raises Invalid, naming the field."""
    announcement = Announcement(
        kind=kind, title=title.strip(), text=text.strip(), starts_at=starts_at or timezone.now(), ends_at=ends_at
    )
    return _keep(announcement, Event.ANNOUNCEMENT_PUBLISHED, by)


@transaction.atomic
def change(
    *,
    announcement: Announcement,
    kind: Kind,
    title: str,
    text: str,
    starts_at: datetime,
    ends_at: datetime | None,
    by: User | None,
) -> Announcement:
    """Say it in other words, or move its hours; the same again changes nothing. Raises Invalid, naming the field."""
    held = _held(announcement)
    given = {"kind": kind, "title": title.strip(), "text": text.strip(), "starts_at": starts_at, "ends_at": ends_at}
    if all(getattr(held, name) == value for name, value in given.items()):
        return held
    for name, value in given.items():
        setattr(held, name, value)
    return _keep(held, Event.ANNOUNCEMENT_CHANGED, by)


@transaction.atomic
def end(*, announcement: Announcement, by: User | None) -> Announcement:
    """It is over now. Raises Conflict where it has not begun (delete it, or say in it that it is off) or is over already."""
    held, now = _held(announcement), timezone.now()
    stands = held.stands(now)
    if stands == "coming":
        raise Conflict(_("It has not begun. Move its hours, or delete it."))
    if stands == "over":
        raise Conflict(_("It is over already."))
    held.ends_at = now
    return _keep(held, Event.ANNOUNCEMENT_CHANGED, by)


@transaction.atomic
def remark(*, announcement: Announcement, text: str, by: User | None) -> Remark:
    """Add what was learned since. Raises Invalid where nothing is said."""
    held = _held(announcement)
    added = Remark(announcement=held, text=text.strip())
    if not added.text or len(added.text) > REMARK:
        problem = _("Say what is new, in at most 2,000 characters.")
        raise Invalid(problem, fields={"text": [problem]})
    added.save()
    trail.record(Event.ANNOUNCEMENT_REMARKED, by=by, target=held, title=held.title)
    return added


@transaction.atomic
def delete(*, announcement: Announcement, by: User | None) -> None:
    """Take away what was said by mistake; the trail keeps what it was called."""
    held = _held(announcement)
    trail.record(Event.ANNOUNCEMENT_DELETED, by=by, target=held, **_facts(held))
    held.delete()
    _forget()


def _held(announcement: Announcement) -> Announcement:
    found = Announcement.objects.select_for_update().filter(pk=announcement.pk).first()
    if found is None:
        raise NotFound(_("It was deleted meanwhile."))
    return found


def faults(*, kind: str, title: str, text: str, starts_at: datetime, ends_at: datetime | None) -> dict[str, str]:
    """What is wrong with an announcement, by field; empty where nothing is."""
    found = {}
    if not title or len(title) > TITLE:
        found["title"] = _("Say in a line of at most 120 characters what it is.")
    if len(text) > TEXT:
        found["text"] = _("Say it in at most 4,000 characters.")
    if ends_at is not None and ends_at <= starts_at:
        found["ends_at"] = _("It must end after it begins.")
    elif ends_at is None and kind == Kind.PLANNED:
        found["ends_at"] = _("Say when it will be over: people plan by it.")
    return found


def _keep(announcement: Announcement, event: Event, by: User | None) -> Announcement:
    wrong = faults(
        kind=announcement.kind,
        title=announcement.title,
        text=announcement.text,
        starts_at=announcement.starts_at,
        ends_at=announcement.ends_at,
    )
    if wrong:
        raise Invalid(" ".join(wrong.values()), fields={name: [what] for name, what in wrong.items()})
    announcement.save()
    trail.record(event, by=by, target=announcement, **_facts(announcement))
    _forget()
    return announcement


def _facts(announcement: Announcement) -> dict[str, Any]:
    until = announcement.ends_at.isoformat(timespec="seconds") if announcement.ends_at else None
    return {
        "kind": announcement.kind,
        "title": announcement.title,
        "from": announcement.starts_at.isoformat(timespec="seconds"),
        "until": until,
    }


def _forget() -> None:
    """In this process at once; the others look again within seconds."""
    transaction.on_commit(lambda: caches["process"].delete(KEPT))
