"""How a grant is left behind: notices before its end, the deletion that is due, and the holder's word that it is done."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.access import lifetime
from portal.access.actions import admitting, grant_moves, institutional_moves, moves, renewing, teaming
from portal.access.lifetime import GrantVerb
from portal.access.lifetime_models import Notice
from portal.access.member_models import Member
from portal.access.models import Grant, GrantQuerySet
from portal.agreements.actions import same_name
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.models import MANAGERS, User
from portal.projects import actions as projects

AHEAD: Final = timedelta(hours=14)
BEHIND: Final = timedelta(hours=12)
"""How far calendars are ahead of UTC and behind it: whoever names today or the first day names it as it is where they are."""
STALE: Final = timedelta(days=30)
"""What passed longer ago than this is no news: nobody is told of it."""


@transaction.atomic
def close_out(*, by: User, grant: Grant, typed_name: str, deleted_on: date | None, statement: str) -> Grant:
    """The holder's word that every copy is deleted. A running grant ends with it. Cannot be undone.

    A member of a team leaves it so: the place is free, the project is theirs no more, and the lead is told.

    Raises Invalid when the name is not the account's, the date is missing, to come or before the grant, or nothing is
    stated.
    """
    place = Member.objects.filter(grant=grant).select_related("application").first()
    if place is not None:
        moves.lock(place.application)  # before the grant, as whoever takes a member off the team does
    locked = grant_moves.lock(grant)
    grant_moves.check(locked, GrantVerb.CLOSE_OUT, by)
    now = timezone.now()
    stated = _attested(locked, typed_name, deleted_on, statement, now)
    ran = locked.revoked_at is None and locked.ends_at > now
    locked.closed_out_at, locked.deleted_on = now, deleted_on
    locked.closed_out_name = " ".join(typed_name.split())
    locked.closed_out_statement = stated
    if ran:
        grant_moves.end(locked, now)
    locked.save()
    renewing.lapse(locked)
    admitting.end_team(locked, by)
    institutional_moves.vacate(locked)
    if place is not None:
        projects.leave(project=locked.project, user=locked.user)
        teaming.close_place(by=by, member=place, told=ran)
    grant_moves.record(locked, Event.GRANT_CLOSED_OUT, GrantVerb.CLOSE_OUT, by, ran=ran, deleted_on=deleted_on)
    if ran:
        bump_user(locked.user)
    for manager in grant_moves.staff(locked, MANAGERS):
        grant_moves.tell(locked, "grant_closed_out", reverse("access:grant", args=[locked.pk]), to=manager)
    return locked


def _attested(grant: Grant, typed_name: str, deleted_on: date | None, statement: str, now: datetime) -> str:
    """The statement, once all of it holds."""
    fields: dict[str, list[str]] = {}
    stated = ""
    if not same_name(typed_name, grant.user.name):
        fields["typed_name"] = [_("Type your name as it stands in your account: %(name)s.") % {"name": grant.user.name}]
    if deleted_on is None:
        fields["deleted_on"] = [_("Give the day, like 2026-11-25.")]
    elif not (grant.starts_at - BEHIND).date() <= deleted_on <= (now + AHEAD).date():
        fields["deleted_on"] = [
            _("Give a day from %(day)s, when access began, to today.") % {"day": date_format(grant.starts_at)}
        ]
    try:
        stated = grant_moves.said(statement, "statement", _("State what you have deleted."))
    except Invalid as error:
        fields |= error.fields
    if fields:
        raise Invalid(_("The attestation is not complete."), fields=fields)
    return stated


@transaction.atomic
def announce_expiry(*, grant: Grant) -> bool:
    """Send the one notice of a grant's end that is due and was not sent; whether one was. The schedule calls it."""
    locked, now = grant_moves.lock(grant), timezone.now()
    days = expiry_due(locked, now)
    if days is None or not _first(locked, Notice.Kind.EXPIRY, locked.ends_at, days, now):
        return False
    waits = grant_moves.open_renewal(locked.lead or locked) is not None
    suspended = locked.suspended_at is not None
    if days == 0 and not waits:
        grant_moves.ask_for_deletion(locked, now)
        locked.save(update_fields=["deletion_due_at"])
    told: dict[str, Any] = {"until": sending.moment(locked.ends_at), "waits": waits, "suspended": suspended}
    told["institution"] = locked.institutional.institution.name if locked.institutional else ""
    if days == 0:
        told["deletion_due"] = sending.moment(locked.deletion_due_at)
        grant_moves.tell(locked, "grant_ended", locked.get_absolute_url(), **told)
    else:
        renew = reverse("access:renew", args=[locked.pk])
        kept = waits or suspended or locked.institutional
        grant_moves.tell(locked, "grant_expiring", locked.get_absolute_url() if kept else renew, **told)
    return True


@transaction.atomic
def remind_of_deletion(*, grant: Grant) -> bool:
    """Send the one reminder of a deletion that is due and was not sent; whether one was. The schedule calls it."""
    locked, now = grant_moves.lock(grant), timezone.now()
    days = deletion_due(locked, now)
    if days is None or not _first(locked, Notice.Kind.DELETION, locked.deletion_due_at, days, now):
        return False
    path = reverse("access:close_out", args=[locked.pk])
    grant_moves.tell(locked, "deletion_reminder", path, due=sending.moment(locked.deletion_due_at), overdue=days == 0)
    return True


def expiries_to_announce(now: datetime) -> list[Grant]:
    """Grants whose holders have a notice of their end to come. One query, whose rows fall as notices are sent."""
    days = lifetime.EXPIRY_DAYS
    near = Grant.objects.of_present_people().filter(revoked_at=None, closed_out_at=None, ends_at__gt=now - STALE)
    near = near.filter(Q(lead=None) | Q(ends_at__lte=now))  # a member, who cannot renew, is told of the end alone
    rows = _untold(near, Notice.Kind.EXPIRY, "ends_at", days, now).select_related("gate")
    return [grant for grant in rows if expiry_due(grant, now) is not None]


def deletions_to_remind_of(now: datetime) -> list[Grant]:
    """Grants whose holders have a reminder of a deletion to come."""
    days = lifetime.DELETION_DAYS
    near = Grant.objects.of_present_people().filter(closed_out_at=None, deletion_due_at__gt=now - STALE)
    rows = _untold(near, Notice.Kind.DELETION, "deletion_due_at", days, now).select_related("gate")
    return [grant for grant in rows if deletion_due(grant, now) is not None]


def _untold(rows: GrantQuerySet, kind: Notice.Kind, field: str, days: tuple[int, ...], now: datetime) -> GrantQuerySet:
    """Those for which the step that they are in (`days` before `field`, largest first) was not sent."""
    untold = Q(pk=None)
    for step, nearer in zip(days, (*days[1:], None), strict=True):
        sent = Notice.objects.filter(grant=OuterRef("pk"), kind=kind, deadline=OuterRef(field), days=step)
        inside = Q(**{f"{field}__lte": now + timedelta(days=step)})
        if nearer is not None:
            inside &= Q(**{f"{field}__gt": now + timedelta(days=nearer)})
        untold |= inside & Q(~Exists(sent))
    return rows.filter(untold)


def expiry_due(grant: Grant, now: datetime) -> int | None:
    """The notice of the grant's end whose time it is, in days before the end; None for a grant that is over for good."""
    if grant.state(now) in lifetime.FINAL:
        return None
    days = (0,) if grant.lead_id else lifetime.EXPIRY_DAYS
    return lifetime.due(days, deadline=grant.ends_at, since=grant.starts_at, now=now)


def deletion_due(grant: Grant, now: datetime) -> int | None:
    """The reminder of a deletion whose time it is, in days before it is due; None where none is, or it is attested."""
    if grant.deletion_due_at is None or grant.closed_out_at is not None:
        return None
    asked = grant.deletion_due_at - timedelta(days=grant.gate.deletion_days)
    return lifetime.due(lifetime.DELETION_DAYS, deadline=grant.deletion_due_at, since=asked, now=now)


def _first(grant: Grant, kind: Notice.Kind, deadline: datetime | None, days: int, now: datetime) -> bool:
    """Whether this notice was not sent before; the row that says so is written in the same transaction as the mail."""
    notice = {"grant": grant, "kind": kind, "deadline": deadline, "days": days}
    _, created = Notice.objects.get_or_create(**notice, defaults={"sent_at": now})
    if created:
        facts = {"kind": str(kind), "days": days}
        trail.record(Event.GRANT_NOTICE_SENT, by=None, target=grant, lab=grant.gate.lab, **facts)
    return created
