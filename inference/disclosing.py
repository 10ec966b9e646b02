"""The writers of disclosures: ask, allow or decline, look, close; and telling those whose content was opened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inference import content, disclosure
from inference.content_models import DisclosedRequest, Disclosure, KeptContent
from inference.disclosure import Party, Verb
from inference.models import UsageRecord
from inference.signal_models import Signal
from inference.signal_states import MANAGERS
from portal import texts
from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import Lab, Membership, User
from portal.projects.models import Project, ProjectMember
from portal.sweeps import sweep

MOST: Final = 100
"""Requests that one disclosure may name."""
REASON: Final = 1000
"""Longest reason, in characters."""
_EVENTS: Final = {
    Verb.ALLOW: Event.CONTENT_ALLOWED,
    Verb.DECLINE: Event.CONTENT_DECLINED,
    Verb.WITHDRAW: Event.CONTENT_WITHDRAWN,
    Verb.CLOSE: Event.CONTENT_CLOSED,
}


def party(found: Disclosure, by: User) -> Party | None:
    """As what this person may act on it today: None to whoever is no manager of the lab or has a part in the project."""
    if by.roles_in(found.lab).isdisjoint(MANAGERS) or _has_part(by, found.project_id):
        return None
    if by.pk == found.asked_by_id:
        return Party.ASKER
    return Party.SECOND if found.decided_by_id in {None, by.pk} else None


@transaction.atomic
def ask(*, by: User, lab: Lab, request_ids: Iterable[str], reason: str, signal: Signal | None = None) -> Disclosure:
    """Ask to read what is kept of these requests, or of those of the day that a signal is about.

    Raises NotFound to strangers, NotAllowed to other roles and to whoever has had a part in the project, Invalid field
    by field.
    """
    roles = by.roles_in(lab)
    if not roles or (signal is not None and signal.lab_id != lab.pk):
        raise NotFound(_("There is no such lab, or it belongs to others."))
    if roles.isdisjoint(MANAGERS):
        raise NotAllowed(_("Only managers of the lab ask to open content."))
    kept = _named(lab, request_ids, signal)
    said = _reason(reason)
    project = kept[0].project_id
    if _has_part(by, project):
        raise NotAllowed(_("You have a part in this project. Let somebody else ask."), code="conflict_of_interest")
    made = Disclosure.objects.create(lab=lab, project_id=project, signal=signal, asked_by=by, reason=said)
    DisclosedRequest.objects.bulk_create(DisclosedRequest(disclosure=made, request_id=one.pk) for one in kept)
    requests = sorted(one.pk for one in kept)
    trail.record(Event.CONTENT_ASKED, by=by, target=made, lab=lab, project=project, requests=requests)
    for reader in _seconds(made):
        _mail(made, reader, "content_to_allow", path=made.get_absolute_url(), asker=by.get_full_name(), n=len(kept))
    return made


@transaction.atomic
def answer(*, by: User, found: Disclosure, verb: Verb) -> Disclosure:
    """Allow it for a time, decline, withdraw or close it. Allowed, it names the hour at which the members are told.

    Raises Conflict (`already_answered`) where somebody was first, NotSetUp where this portal could open nothing.
    """
    locked = _locked(found, by, verb)
    if verb == Verb.ALLOW:
        content.require_key()  # or the project would be told of an opening that opened nothing
    state = disclosure.after(locked.state, verb)
    if state is None or verb not in _EVENTS:
        raise Conflict(_("This was answered already. Load the page again."), code="already_answered")
    now, facts = timezone.now(), dict[str, Any]()
    locked.state = state
    if verb in {Verb.ALLOW, Verb.DECLINE}:
        locked.decided_by, locked.decided_at = by, now
    if verb == Verb.ALLOW:
        locked.ends_at = now + timedelta(hours=settings.CONTENT_OPEN_HOURS)
        locked.tell_at = now + timedelta(hours=settings.CONTENT_TELL_HOURS)
        facts = {"until": locked.ends_at.isoformat(timespec="seconds")}
    locked.save()
    trail.record(_EVENTS[verb], by=by, target=locked, lab=locked.lab, project=locked.project_id, **facts)
    if locked.tell_at is not None and locked.tell_at <= now:
        _tell(locked, now)
    return locked


@transaction.atomic
def look(*, by: User, found: Disclosure, request_id: str) -> content.Plain:
    """What one of the named requests asked and was answered. Every look is on record.

    Raises NotFound for a request that is not named or not kept any more, Conflict when the time is over.
    """
    locked = _locked(found, by, Verb.LOOK)
    if not locked.is_open():
        raise Conflict(_("This is not open, or not any more. Ask anew, with a reason."), code="not_open")
    named = locked.requests.filter(request_id=request_id).exists()
    kept = KeptContent.objects.standing().filter(pk=request_id, lab=locked.lab).first() if named else None
    if kept is None:
        raise NotFound(_("This request is not among those that were named, or its content is deleted by now."))
    trail.record(Event.CONTENT_LOOKED, by=by, target=locked, lab=locked.lab, request=request_id)
    return content.opened(kept)


def tell_due(now: datetime) -> int:
    """Tell the members of every project of whom content was opened, once its hour has come; returns of how many."""
    due = Disclosure.objects.filter(tell_at__lte=now, told_at=None)
    return sweep(list(due), lambda found: _tell_one(found.pk, now))


@transaction.atomic
def _tell_one(pk: UUID, now: datetime) -> bool:
    found = Disclosure.objects.select_for_update(of=("self",)).select_related("lab").filter(pk=pk, told_at=None).first()
    if found is None:
        return False
    _tell(found, now)
    return True


def _tell(found: Disclosure, now: datetime) -> None:
    found.told_at = now
    found.save(update_fields=["told_at"])
    project, n = _project(found.project_id), found.requests.count()
    members = ProjectMember.objects.filter(project=project, left_at=None).select_related("user")
    readers = {member.user_id: member.user for member in members}
    held = Grant.objects.filter(project=project, user__in=readers).order_by("starts_at", "pk")
    pages = {grant.user_id: grant.get_absolute_url() for grant in held}
    for pk, reader in readers.items():
        _mail(found, reader, "content_opened", path=pages.get(pk, reverse("access:mine")), n=n)
    trail.record(Event.CONTENT_TOLD, by=None, target=found, lab=found.lab, people=len(readers))


def _locked(found: Disclosure, by: User, verb: Verb) -> Disclosure:
    """The row, locked, where this person may do this. Raises NotFound, NotAllowed or Conflict."""
    locked = Disclosure.objects.select_for_update(of=("self",)).select_related("lab").get(pk=found.pk)
    if not by.roles_in(locked.lab):
        raise NotFound(_("There is nothing at this address."))
    acting = party(locked, by)
    if acting is None:
        raise NotAllowed(_("This is not yours to do."), code="wrong_party")
    if disclosure.after(locked.state, verb) is None:
        raise Conflict(_("This was answered already. Load the page again."), code="already_answered")
    if verb not in disclosure.may(locked.state, acting):
        raise NotAllowed(_("Somebody else must answer: who asks does not allow."), code="wrong_party")
    return locked


def _named(lab: Lab, request_ids: Iterable[str], signal: Signal | None) -> list[KeptContent]:
    """The kept content that is meant: of one project, all of it there."""
    asked = list(dict.fromkeys(filter(None, (one.strip() for one in request_ids))))
    standing = KeptContent.objects.standing().filter(lab=lab).defer("sealed")
    if signal is not None and not asked:
        of_day = UsageRecord.objects.filter(started_day=signal.day, project_id=signal.project_id, model=signal.model)
        found = list(standing.filter(pk__in=of_day.values("request_id"))[: MOST + 1])
    else:
        found = list(standing.filter(pk__in=asked[: MOST + 1]))
    problem = _fault(asked, found)
    if problem:
        raise Invalid(problem, fields={"request_ids": [problem]})
    return found


def _fault(asked: list[str], found: list[KeptContent]) -> str:
    if max(len(asked), len(found)) > MOST:
        return _("Name at most %(most)s requests; of a day with more, those that matter.") % {"most": MOST}
    missing = sorted(set(asked) - {one.pk for one in found})
    if missing:
        return _("Nothing is kept of these: %(ids)s.") % {"ids": ", ".join(missing[:5])}
    if not found:
        return _("Name the requests, one a line. Nothing is kept of the day of this signal, or none was named.")
    if len({one.project_id for one in found}) > 1:
        return _("These are of several projects. Ask for each by itself.")
    return ""


def _reason(text: str) -> str:
    missing = _("Say why their content must be read. Whoever allows it decides on this.")
    return texts.needed(REASON, "reason", text, missing=missing)


def _has_part(user: User, project_id: str) -> bool:
    """Whether somebody belongs to the project, or ever did."""
    project = _project(project_id)
    return project is not None and (project.owner_id == user.pk or project.members.filter(user=user).exists())


def _project(text: str) -> Project | None:
    """The project of this id, as the gateway gave it; None where it is gone."""
    try:
        return Project.objects.filter(pk=UUID(text)).first()
    except ValueError:
        return None


def _seconds(made: Disclosure) -> list[User]:
    held = Membership.objects.active().filter(lab=made.lab, role__in=MANAGERS).select_related("user")
    people = {row.user_id: row.user for row in held}
    return [one for one in people.values() if party(made, one) == Party.SECOND]


def _mail(found: Disclosure, reader: User, template: str, **more: Any) -> None:
    """Leave a mail. It carries neither content nor the reason."""
    project = _project(found.project_id)
    title = project.title if project else ""
    context = {"name": reader.get_full_name(), "lab": found.lab.name, "project": title, **more}
    key = f"{template}:{found.pk}"
    sending.send(to=reader.email, template=template, context=context, key=key, language=reader.language)
