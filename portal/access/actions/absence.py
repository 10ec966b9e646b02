"""A reviewer goes away: names who acts meanwhile, and takes it back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.actions.closing import BEHIND
from portal.access.application_models import STAFF
from portal.access.desk_models import Substitute
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.mail import sending
from portal.people.models import Lab, Role, User

LONGEST: Final = timedelta(days=180)
"""Who is away for longer gives the role back."""


@transaction.atomic
def name_substitute(*, by: User, lab: Lab, substitute: User, starts_on: date, ends_on: date) -> Substitute:
    """From one day through another, somebody of the lab acts on what is assigned to me. One at a time.

    Raises NotFound to whoever is no reviewer of the lab, Invalid about `substitute`, `starts_on` or `ends_on`, Conflict
    when the period meets another.
    """
    User.objects.select_for_update().get(pk=by.pk)
    if Role.REVIEWER not in by.roles_in(lab):
        raise NotFound(_("There is no such lab."))
    _check(by, lab, substitute, starts_on, ends_on)
    mine = Substitute.objects.filter(reviewer=by, lab=lab, ended_at=None)
    if mine.filter(starts_on__lte=ends_on, ends_on__gte=starts_on).exists():
        raise Conflict(_("You have named somebody for a part of this time. Take that back first."), code="overlap")
    made = Substitute.objects.create(
        lab=lab, reviewer=by, substitute=substitute, starts_on=starts_on, ends_on=ends_on, made_at=timezone.now()
    )
    told = {"substitute": str(substitute.pk), "from": starts_on.isoformat(), "until": ends_on.isoformat()}
    trail.record(Event.SUBSTITUTE_NAMED, by=by, target=made, lab=lab, **told)
    days = {"first": starts_on.isoformat(), "last": ends_on.isoformat()}
    _tell(made, "substitute_named", reverse("access:queue") + "?assignee=me", **days)
    return made


def _tell(about: Substitute, template: str, path: str, **more: str) -> None:
    """Leave a mail to whoever stands in."""
    reader = about.substitute
    context = {
        "name": reader.get_full_name(),
        "reviewer": about.reviewer.get_full_name(),
        "lab": about.lab.name,
        "path": path,
        **more,
    }
    key = f"substitute:{about.pk}"
    sending.send(to=reader.email, template=template, context=context, key=key, language=reader.language)


def _check(by: User, lab: Lab, substitute: User, starts_on: date, ends_on: date) -> None:
    problems: dict[str, list[str]] = {}
    if substitute.pk == by.pk or substitute.roles_in(lab).isdisjoint(STAFF):
        problems["substitute"] = [_("Choose somebody else of this lab.")]
    if starts_on < (timezone.now() - BEHIND).date():
        problems["starts_on"] = [_("Choose today or a later day.")]
    if ends_on < starts_on:
        problems["ends_on"] = [_("Choose the first day or a later one.")]
    elif ends_on - starts_on > LONGEST:
        problems["ends_on"] = [_("Choose at most %(days)s days.") % {"days": LONGEST.days}]
    if problems:
        raise Invalid(_("This cannot be arranged."), fields=problems)


@transaction.atomic
def end_substitute(*, by: User, pk: int) -> Substitute:
    """Take it back from this moment; the substitute is told. What was done in one's place stays.

    Raises NotFound for one that is not theirs, Conflict (`ended`) where it was taken back before.
    """
    rows = Substitute.objects.select_for_update(of=("self",)).select_related("lab", "reviewer", "substitute")
    found = rows.filter(pk=pk, reviewer=by).first()
    if found is None:
        raise NotFound(_("There is no such substitute."))
    if found.ended_at is not None:
        raise Conflict(_("This is taken back already."), code="ended")
    found.ended_at = timezone.now()
    found.save(update_fields=["ended_at"])
    trail.record(Event.SUBSTITUTE_ENDED, by=by, target=found, lab=found.lab, substitute=str(found.substitute_id))
    if found.ends_on >= found.ended_at.date():
        _tell(found, "substitute_ended", reverse("access:absence"))
    return found
