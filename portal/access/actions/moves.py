"""What every move of an application shares: lock it, ask the table, write the step."""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import substitutes
from portal.access.application_models import Application, Step
from portal.access.workflow import Party, Status, Verb, next_status
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import Role, User

EVENTS: Final = {
    Verb.SUBMIT: Event.APPLICATION_SUBMITTED,
    Verb.START_REVIEW: Event.APPLICATION_REVIEW_STARTED,
    Verb.REQUEST_CHANGES: Event.APPLICATION_CHANGES_REQUESTED,
    Verb.PASS: Event.APPLICATION_APPROVED,
    Verb.APPROVE: Event.APPLICATION_APPROVED,
    Verb.DECLINE: Event.APPLICATION_DECLINED,
    Verb.APPEAL: Event.APPLICATION_APPEALED,
    Verb.UPHOLD: Event.APPEAL_UPHELD,
    Verb.OVERTURN: Event.APPEAL_OVERTURNED,
    Verb.WITHDRAW: Event.APPLICATION_WITHDRAWN,
    Verb.LAPSE: Event.APPLICATION_LAPSED,
    Verb.SIGN: Event.GRANT_GIVEN,
}


def lock(application: Application, *, expected: int | None = None) -> Application:
    """The application as it is now, locked until the transaction ends.

    Raises NotFound where it is gone, Conflict (`stale`) when `expected` is given and is not its version any more.
    """
    locked = (
        Application.objects.select_for_update(of=("self",))
        .select_related("gate__lab", "gate__agreement", "applicant")
        .filter(pk=application.pk)
        .first()
    )
    if locked is None:
        raise NotFound(_("There is no such application."))
    if expected is not None and locked.version != expected:
        raise Conflict(_("This application changed since you opened it. Read it again, then decide."), code="stale")
    return locked


def parties(application: Application, by: User | None) -> frozenset[Party]:
    """As what somebody may act on this application today. Nobody is both: an applicant never reviews."""
    if by is None:
        return frozenset({Party.CLOCK})
    if by.pk == application.applicant_id:
        return frozenset({Party.APPLICANT})
    if Role.REVIEWER in by.roles_in(application.gate.lab) or substitutes.chair_of(by, application):
        return frozenset({Party.REVIEWER})
    return frozenset()


def check(application: Application, verb: Verb, by: User | None) -> Status:
    """The next status. Raises NotFound to strangers, NotAllowed to the wrong party, Conflict in the wrong status."""
    acting = parties(application, by)
    if not acting:
        raise NotFound(_("There is no such application."))
    status = next_status(application.status, verb, acting)
    if status is not None:
        return status
    if next_status(application.status, verb, Party) is not None:
        raise NotAllowed(_("This is not yours to do."), code="wrong_party")
    raise Conflict(_("This cannot be done as the application stands now. Reload the page."), code="wrong_status")


def advance(application: Application, verb: Verb, by: User | None, *, message: str = "", **data: Any) -> None:
    """Move on: status, version, history and audit. The caller has set the other fields and holds the lock."""
    application.status = check(application, verb, by)
    if verb != Verb.START_REVIEW:
        application.version += 1
    application.save()
    step(application, verb, by, message=message)
    trail.record(EVENTS[verb], by=by, target=application, lab=application.gate.lab, gate=application.gate.slug, **data)


def step(application: Application, verb: Verb, by: User | None, *, message: str = "") -> Step:
    """One line of the history."""
    return Step.objects.create(
        application=application,
        verb=verb,
        status=application.status,
        by=by,
        at=timezone.now(),
        message=message,
    )


def write(to: User, template: str, application: Application, path: str, **more: Any) -> None:
    """Leave a mail about an application. It carries names, references and addresses: never an answer or a note."""
    context = {
        "name": to.get_full_name(),
        "reference": application.reference,
        "gate": application.gate.title,
        "lab": application.gate.lab.name,
        "path": path,
        **more,
    }
    key = f"application:{application.pk}"
    sending.send(to=to.email, template=template, context=context, key=key, language=to.language)
