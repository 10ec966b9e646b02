"""What reviewers do beside deciding: who takes what, notes to one another, saved filters, several at once, exports."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import queue, substitutes
from portal.access.actions import judging, moves, reviewing
from portal.access.application_models import Application, ApplicationQuerySet, Change
from portal.access.desk_models import FILTER_LIMIT, QUERY_LIMIT, Note, SavedFilter
from portal.access.models import GrantQuerySet
from portal.access.workflow import Verb
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import Lab, Role, User

BATCH_LIMIT: Final = 50
"""As many as one can still read through before saying yes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one application of a batch: nothing in `problem` when it was done."""

    application: Application
    problem: str = ""

    @property
    def done(self) -> bool:
        """Whether it was."""
        return not self.problem


@transaction.atomic
def assign(*, by: User, application: Application, to: User | None, batch: str = "") -> Application:
    """Give it to a reviewer, oneself or a colleague; to nobody releases it. Votes are open to the others as before.

    Raises Invalid when the person is no reviewer of the lab, NotAllowed when they may not judge this applicant.
    """
    locked = moves.lock(application)
    moves.check(locked, Verb.ASSIGN, by)
    if to is not None:
        _require_fit(locked, to, by)
    if locked.assignee_id == (to.pk if to else None):
        return locked
    locked.assignee = to
    locked.save(update_fields=["assignee", "updated_at"])
    told = {"to": str(to.pk) if to else "", **({"batch": batch} if batch else {})}
    trail.record(Event.APPLICATION_ASSIGNED, by=by, target=locked, lab=locked.gate.lab, **told)
    if to is not None:
        for reader in _readers(locked, to) - {by}:
            moves.write(reader, "application_assigned", locked, reverse("access:review", args=[locked.pk]))
    return locked


def _readers(application: Application, to: User) -> set[User]:
    """Who is told that it is theirs: the reviewer, and whoever stands in for them today."""
    rows = substitutes.standing().filter(reviewer=to, lab=application.gate.lab_id).select_related("substitute")
    return {to, *(row.substitute for row in rows if row.substitute_id != application.applicant_id)}


def _require_fit(application: Application, to: User, by: User) -> None:
    if Role.REVIEWER not in to.roles_in(application.gate.lab):
        wrong = _("Choose a reviewer of this lab.")
        raise Invalid(wrong, fields={"to": [wrong]})
    try:
        judging.require_unbiased(application, to)
    except NotAllowed:
        if to.pk == by.pk:
            raise
        message = _("%(name)s may not judge this application. Choose somebody else.") % {"name": to.get_full_name()}
        raise NotAllowed(message, code="conflict_of_interest") from None


@transaction.atomic
def add_note(*, by: User, application: Application, text: str) -> Note:
    """Say something to the other reviewers, at any time. Raises NotAllowed to whom a conflict keeps from the matter."""
    locked = moves.lock(application)
    if locked.applicant_id == by.pk or not by.roles_in(locked.gate.lab):
        raise NotFound(_("There is no such application."))
    judging.require_unbiased(locked, by)
    said = judging.said(text, "text", _("Write the note first."))
    note = Note.objects.create(application=locked, by=by, at=timezone.now(), text=said)
    trail.record(Event.APPLICATION_NOTED, by=by, target=locked, lab=locked.gate.lab, note=note.pk)
    return note


@transaction.atomic
def save_filter(*, by: User, name: str, query: queue.Chosen) -> SavedFilter:
    """Keep a way to look at the queue under a name; the same name again replaces it.

    Raises Invalid about `name`, also where the filters are too long or too many to be kept.
    """
    User.objects.select_for_update().get(pk=by.pk)
    name = " ".join(name.replace("\x00", "").split())
    if not 0 < len(name) <= 60:
        wrong = _("Give it a name of up to 60 characters.")
        raise Invalid(wrong, fields={"name": [wrong]})
    if len(query.query()) > QUERY_LIMIT:
        wrong = _("These filters are too long to be kept. Look for less.")
        raise Invalid(wrong, fields={"name": [wrong]})
    found = SavedFilter.objects.filter(user=by, name__iexact=name).first()
    if found is None and SavedFilter.objects.filter(user=by).count() >= FILTER_LIMIT:
        wrong = _("You keep %(limit)s filters. Remove one first.") % {"limit": FILTER_LIMIT}
        raise Invalid(wrong, fields={"name": [wrong]})
    found = found or SavedFilter(user=by)
    found.name, found.query = name, query.query()
    found.save()
    return found


@transaction.atomic
def forget_filter(*, by: User, pk: int) -> None:
    """Remove one of one's own saved filters; nothing happens when it is gone already."""
    SavedFilter.objects.filter(user=by, pk=pk).delete()


Deed = Callable[[Application, str], object]
"""One action on one application of a batch, given the batch's id."""


def assigning(by: User, to: User | None) -> Deed:
    """The deed of giving each to this person."""
    return lambda application, batch: assign(by=by, application=application, to=to, batch=batch)


def asking(by: User, message: str, reason: Change, expected: Mapping[UUID, int]) -> Deed:
    """The deed of handing each back with this message; one whose version is not `expected` any more is refused."""
    return lambda application, batch: reviewing.request_changes(
        by=by,
        application=application,
        message=message,
        reason=reason,
        expected=expected.get(application.pk),
        batch=batch,
    )


def together(applications: Iterable[Application], deed: Deed) -> list[Outcome]:
    """Do the same to each, one transaction and one event for each, all with one batch id. A refusal stops none other."""
    batch = str(uuid.uuid4())
    return [_outcome(application, deed, batch) for application in _few(applications)]


def rehearse(applications: Iterable[Application], deed: Deed) -> list[Outcome]:
    """What `together` would do, found out by doing it and taking it back: a preview that cannot lie."""
    with transaction.atomic():
        outcomes = [_outcome(application, deed, "") for application in _few(applications)]
        transaction.set_rollback(True)
    return outcomes


def _few(applications: Iterable[Application]) -> list[Application]:
    picked = list(applications)
    if not 0 < len(picked) <= BATCH_LIMIT:
        wrong = _("Pick between 1 and %(limit)s applications.") % {"limit": BATCH_LIMIT}
        raise Invalid(wrong, fields={"pick": [wrong]})
    return picked


def _outcome(application: Application, deed: Deed, batch: str) -> Outcome:
    try:
        with transaction.atomic():
            deed(application, batch)
    except (Conflict, NotAllowed, NotFound, Invalid) as refusal:
        return Outcome(application, refusal.message)
    return Outcome(application)


def record_export(*, by: User, rows: ApplicationQuerySet, query: str, shape: str) -> None:
    """Leave an entry with each lab whose applications are about to leave as a file."""
    with transaction.atomic():
        for lab in Lab.objects.filter(gates__applications__in=rows.order_by().values("pk")).distinct():
            count = rows.filter(gate__lab=lab).count()
            trail.record(
                Event.APPLICATIONS_EXPORTED, by=by, target=lab, lab=lab, format=shape, filters=query, rows=count
            )


def record_grants_export(*, by: User, rows: GrantQuerySet, query: str) -> None:
    """Leave an entry with each lab whose grants are about to leave as a file."""
    with transaction.atomic():
        for lab in Lab.objects.filter(gates__grants__in=rows.order_by().values("pk")).distinct():
            count = rows.filter(gate__lab=lab).count()
            trail.record(Event.GRANTS_EXPORTED, by=by, target=lab, lab=lab, format="csv", filters=query, rows=count)
