"""Openings by rule: planned, approved, held, and opened by themselves as soon as all that is set is met."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import Lab, Membership, User
from portal.sweeps import sweep
from releases import opening as table
from releases.actions.revisions import publish
from releases.actions.rights import require_staff, require_there
from releases.lifecycle import STAFF
from releases.lifecycle import State as Revised
from releases.models import Model, Revision
from releases.opening import State, Verb
from releases.opening_models import Opening, OpeningApproval, OpeningStep

LONGEST: Final = timedelta(days=5 * 366)
"""How far ahead a date may lie."""
_EVENTS: Final = {
    Verb.APPROVE: Event.OPENING_APPROVED,
    Verb.TAKE_BACK: Event.OPENING_TAKEN_BACK,
    Verb.HOLD: Event.OPENING_HELD,
    Verb.RESUME: Event.OPENING_RESUMED,
    Verb.CANCEL: Event.OPENING_CANCELLED,
}


@transaction.atomic
def plan_opening(
    *,
    revision: Revision,
    by: User | None,
    opens_at: datetime | None = None,
    approvers: Sequence[User] = (),
    approvals: int = 0,
    announced: bool = False,
) -> Opening:
    """Have the revision published by itself: not before `opens_at`, with `approvals` of the `approvers`.

    Raises Invalid for rules that cannot be met, Conflict where the revision is published or its model has a plan.
    """
    locked = Revision.objects.select_for_update(of=("self",)).select_related("model__lab").get(pk=revision.pk)
    model = locked.model
    require_staff(by, model.lab)
    # Two plans for one model wait for one another, and for whoever deletes it.
    require_there(Model.objects.select_for_update(of=("self",)).select_related("lab").get(pk=model.pk))
    if locked.state not in {Revised.DRAFT, Revised.CHECKED}:
        raise Conflict(_("This revision is published already, or was withdrawn. Plan the opening of another."))
    if Opening.objects.live().filter(model=model).exists():
        raise Conflict(_("An opening of this model is planned already. Cancel it first."))
    _check_rules(model.lab, opens_at, approvers, approvals)
    made = Opening.objects.create(
        model=model, revision=locked, opens_at=opens_at, approvals=approvals, announced=announced, planned_by=by
    )
    OpeningApproval.objects.bulk_create(OpeningApproval(opening=made, person=person) for person in approvers)
    _note(made, "plan", by)
    _record(Event.OPENING_PLANNED, made, by, opens_at=opens_at.isoformat() if opens_at else "", approvals=approvals)
    _write(made, "opening_planned", [person for person in approvers if person != by])
    return made


@transaction.atomic
def approve_opening(*, opening: Opening, by: User) -> Opening:
    """One named person's yes; the last that is needed opens it in the same moment. Said twice is said once."""
    locked = _step(opening, Verb.APPROVE, by)
    if locked.named.filter(person=by, approved_at=None).update(approved_at=timezone.now()):
        _noted(locked, Verb.APPROVE, by)
        _advance(locked, timezone.now())
    return locked


@transaction.atomic
def take_back_approval(*, opening: Opening, by: User) -> Opening:
    """The same person's yes is none any more, as long as it has not opened."""
    locked = _step(opening, Verb.TAKE_BACK, by)
    if locked.named.filter(person=by).exclude(approved_at=None).update(approved_at=None):
        _noted(locked, Verb.TAKE_BACK, by)
    return locked


@transaction.atomic
def hold_opening(*, opening: Opening, by: User, reason: str) -> Opening:
    """It opens at no date and by no approval until it is resumed. Raises Invalid without a reason."""
    if not reason.strip():
        raise Invalid(_("Say why it is held."), fields={"reason": [_("Say why.")]})
    locked = _step(opening, Verb.HOLD, by)
    locked.state, locked.held_reason = State.HELD, reason.strip()
    locked.save(update_fields=["state", "held_reason"])
    _noted(locked, Verb.HOLD, by, locked.held_reason)
    return locked


@transaction.atomic
def resume_opening(*, opening: Opening, by: User) -> Opening:
    """It goes on; where everything is met by now, it opens."""
    locked = _step(opening, Verb.RESUME, by)
    locked.state, locked.held_reason = State.PLANNED, ""
    locked.save(update_fields=["state", "held_reason"])
    _noted(locked, Verb.RESUME, by)
    _advance(locked, timezone.now())
    return locked


@transaction.atomic
def cancel_opening(*, opening: Opening, by: User, reason: str = "") -> Opening:
    """It does not open; the revision stays as it is, and another plan may be made."""
    locked = _step(opening, Verb.CANCEL, by)
    locked.state, locked.held_reason = State.CANCELLED, ""
    locked.save(update_fields=["state", "held_reason"])
    _noted(locked, Verb.CANCEL, by, reason.strip())
    return locked


def open_due(*, now: datetime | None = None) -> int:
    """Open what is due, each in a transaction of its own; how many were opened. Safe to run twice, and at once."""
    now = now or timezone.now()
    return sweep(list(Opening.objects.due(now).values_list("pk", flat=True)), lambda pk: _open_one(pk, now))


@transaction.atomic
def _open_one(pk: int, now: datetime) -> bool:
    locked = _locked(pk)
    if locked.state != State.PLANNED:
        return False  # somebody else opened or held it since it was found
    if _advance(locked, now):
        return True
    if locked.opens_at and locked.late_told_at is None:
        _late(locked, now)
    return False


def _advance(locked: Opening, now: datetime) -> bool:
    """Open it, under its lock, if its rules are met; whether they were. A check that ends now waits for the revision."""
    Revision.objects.select_for_update(of=("self",)).get(pk=locked.revision_id)
    if locked.state != State.PLANNED or locked.waits_for(now):
        return False
    locked.state, locked.opened_at = State.OPENED, now
    locked.save(update_fields=["state", "opened_at"])
    publish(revision=locked.revision, by=None)
    _note(locked, Verb.OPEN, None)
    _record(Event.OPENING_OPENED, locked, None)
    _write(locked, "opening_opened", _concerned(locked))
    return True


def _late(locked: Opening, now: datetime) -> None:
    locked.late_told_at = now
    locked.save(update_fields=["late_told_at"])
    _note(locked, "late", None)
    missing = [rule.value for rule in locked.waits_for(now)]
    _record(Event.OPENING_LATE, locked, None, missing=missing)
    _write(locked, "opening_late", _concerned(locked), missing=missing)


def _step(opening: Opening, verb: Verb, by: User) -> Opening:
    """The locked opening, if this person may do this to it now. To who has no role in the lab, it is not there."""
    locked = _locked(opening.pk)
    parties = parties_of(locked, by)
    if not by.roles_in(locked.model.lab):
        raise NotFound(_("There is nothing at this address."))
    step = table.TABLE.get((State(locked.state), verb))
    if step is None:
        raise Conflict(_("This opening has moved on. Load the page again to see where it stands."))
    if not step[1] & parties:
        raise NotAllowed(
            _("This is for the lab’s release managers, or for those whom the plan names."), code="not_staff"
        )
    return locked


def parties_of(opening: Opening, person: User) -> frozenset[str]:
    """What this person is to the opening: their roles in its lab, and `approver` if the plan names them."""
    roles = frozenset(str(role) for role in person.roles_in(opening.model.lab))
    named = roles and opening.named.filter(person=person).exists()
    return roles | {table.APPROVER} if named else roles


def _locked(pk: int) -> Opening:
    rows = Opening.objects.select_for_update(of=("self",)).select_related("model__lab", "revision")
    return rows.get(pk=pk)


def _check_rules(lab: Lab, opens_at: datetime | None, approvers: Sequence[User], approvals: int) -> None:
    problems: dict[str, list[str]] = {}
    now = timezone.now()
    if opens_at and not now < opens_at < now + LONGEST:
        problems["opens_at"] = [_("Choose a moment that is still to come, within five years.")]
    if opens_at is None and approvals == 0:
        problems["opens_at"] = [_("Set a date, approvals, or both. To publish now, press Publish instead.")]
    members = set(Membership.objects.active(now).filter(lab=lab).values_list("user", flat=True))
    if {person.pk for person in approvers} - members:
        problems["approvers"] = [_("Name people of this lab.")]
    elif approvals > len(set(approvers)):
        problems["approvals"] = [_("Name at least as many people as must approve.")]
    elif approvers and approvals == 0:
        problems["approvals"] = [_("Say how many of those named must approve.")]
    if problems:
        raise Invalid(_("These rules cannot be met."), fields=problems)


def _concerned(opening: Opening) -> list[User]:
    """The named people who are still there, and those who look after the lab's releases."""
    lab = opening.model.lab
    managers = Membership.objects.active().filter(lab=lab, role__in=STAFF).values("user")
    named = opening.named.staying().values("person")
    return list((User.objects.filter(pk__in=managers) | User.objects.filter(pk__in=named)).order_by("pk").distinct())


def _write(opening: Opening, letter: str, people: Sequence[User], **more: Any) -> None:
    model, revision = opening.model, opening.revision
    opened = letter == "opening_opened"
    told = {
        "model": model.full_name,
        "commit": revision.commit[:8],
        "date": sending.moment(opening.opens_at),
        "path": model.get_absolute_url() if opened else opening.get_absolute_url(),
    }
    for person in people:
        context = {"name": person.get_full_name(), **told, **more}
        sending.send(
            to=person.email, template=letter, context=context, key=f"opening:{opening.pk}", language=person.language
        )


def _noted(opening: Opening, verb: Verb, by: User, text: str = "") -> None:
    _note(opening, verb, by, text)
    more = {"reason": text} if text else {}
    _record(_EVENTS[verb], opening, by, **more)


def _note(opening: Opening, verb: str, by: User | None, text: str = "") -> None:
    OpeningStep.objects.create(opening=opening, verb=str(verb), by=by, text=text)


def _record(event: Event, opening: Opening, by: User | None, **data: Any) -> None:
    model, commit = opening.model.full_name, opening.revision.commit
    trail.record(event, by=by, target=opening, lab=opening.model.lab, model=model, commit=commit, **data)
