"""What an applicant does: draft, send, take back, begin again."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import conflicts, form_spec, sorting
from portal.access.actions import lacking, moves, teaming
from portal.access.actions.passing import pass_by_rules
from portal.access.application_models import Application, Submission
from portal.access.attachment_models import Attachment
from portal.access.forms import clean_draft, complete, prefill
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.workflow import EDITABLE, PATIENCE, Status, Verb
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.people.affiliation_actions import Place, affiliate
from portal.people.countries import COUNTRIES
from portal.people.models import Affiliation, AffiliationClass, Position, User
from portal.switches.models import Switch, is_on


@transaction.atomic
def save_draft(*, by: User, gate: Gate, answers: Mapping[str, Any], expected: int | None = None) -> Application:
    """Keep answers, complete or not. The first save makes the application; unknown names are ignored.

    Raises Conflict when this person has an application here that cannot be edited, or holds access already.
    """
    application = _editable(by=by, gate=gate)
    if expected is not None and application.version != expected:
        raise Conflict(_("You changed this application in another window. Reload to see it."), code="stale")
    moves.check(application, Verb.SAVE_DRAFT, by)
    kept = {**application.answers, **_own_files(clean_draft(gate.form_spec, answers), gate, by)}
    if kept != application.answers:
        application.answers = kept
        application.version += 1
        application.save(update_fields=["answers", "version", "updated_at"])
    return application


def _own_files(answers: dict[str, Any], gate: Gate, by: User) -> dict[str, Any]:
    """Leave out files that this person has not attached at this gate."""
    asked = {entry["name"] for entry in form_spec.fields(gate.form_spec) if entry["type"] == "file"} & answers.keys()
    if not asked:
        return answers
    rows = Attachment.objects.filter(application__applicant=by, application__gate=gate, field__in=asked)
    known = {(field, str(pk)) for field, pk in rows.values_list("field", "pk")}
    foreign = {name for name in asked if answers[name] and (name, answers[name]["id"]) not in known}
    return {name: value for name, value in answers.items() if name not in foreign}


def _editable(*, by: User, gate: Gate) -> Application:
    found = Application.objects.open().filter(gate=gate, applicant=by).first()
    if found is None:
        _may_apply(by, gate)
        found, created = Application.objects.get_or_create(
            gate=gate,
            applicant=by,
            status__in=EDITABLE,
            defaults={"quorum": gate.quorum, "answers": prefill(gate.form_spec, by)},
        )
        if created:
            found.refresh_from_db()
            trail.record(Event.APPLICATION_STARTED, by=by, target=found, lab=gate.lab, gate=gate.slug)
    locked = moves.lock(found)
    if Status(locked.status) not in EDITABLE:
        raise Conflict(_("You have sent this application. Its page says what happens next."), code="already_sent")
    return locked


def _may_apply(by: User, gate: Gate, *, again: bool = False) -> None:
    if not is_on(Switch.APPLY):
        raise Unavailable(
            _("Applications are closed for the moment. Drafts are kept; try again later."), retry_after_s=600
        )
    if not by.is_active or not gate.lab.is_active:
        raise NotAllowed(_("This gate takes no applications."))
    if gate.closed_at and not again:
        wrong = _("This gate takes no new applications now. %(reason)s") % {"reason": gate.closed_reason}
        raise NotAllowed(wrong, code="gate_closed")
    if Grant.objects.standing().filter(user=by, gate=gate).exists():
        raise Conflict(_("You hold access here already."), code="already_granted")


@transaction.atomic
def submit(*, by: User, application: Application, expected: int | None = None) -> Application:
    """Send it. Where the gate lets its rules approve what is green, they may at once (see passing).

    Raises Invalid with every answer that is missing or wrong, field by field.
    """
    locked = moves.lock(application, expected=expected)
    moves.check(locked, Verb.SUBMIT, by)
    _may_apply(by, locked.gate, again=locked.rounds > 0)
    spec = locked.gate.form_spec
    answers, problems = complete(spec, locked.answers, allowed=locked.gate.capabilities)
    if problems:
        raise Invalid(_("Some answers need another look."), fields=problems)
    now = timezone.now()
    again = locked.rounds > 0
    locked.rounds += 1
    locked.submitted_at = locked.submitted_at or now
    locked.quorum, locked.confirmations = locked.gate.quorum, locked.gate.confirmations
    locked.capabilities = answers.get("capabilities") or list(locked.gate.capabilities)
    locked.assignee = locked.assignee if again else None
    locked.message = locked.change = ""
    _affiliate(by, spec, answers, locked)
    sorting.sort(locked, answers)
    Submission.objects.create(
        application=locked,
        round=locked.rounds,
        answers=answers,
        form_spec=spec,
        form_version=locked.gate.form_version,
        submitted_at=now,
    )
    moves.advance(locked, Verb.SUBMIT, by, round=locked.rounds, form_version=locked.gate.form_version, lane=locked.lane)
    teaming.invite_listed(locked, by, answers)
    if not pass_by_rules(locked):
        _announce(locked, again=again)
    return locked


def _affiliate(by: User, spec: form_spec.Spec, answers: dict[str, Any], application: Application) -> None:
    """The first answered institution becomes the applicant's place of work; a known place is never changed from here.

    A lab's own form may ask less of it than a profile needs, or in words of its own: then it stays an answer alone.
    """
    said = answers.get(form_spec.institution_field(spec))
    if not said or Affiliation.objects.filter(user=by, ends_at=None).exists():
        return
    place = Place(
        said["name"],
        ror=said["ror"],
        site=said["site"],
        country=_of(dict(COUNTRIES), answers.get("country")),
        position=_of(Position.values, answers.get("role")),
        klass=_of(AffiliationClass.values, answers.get("affiliation_class")),
        contested=f"As answered in {application.reference}.",
    )
    with suppress(Invalid):
        affiliate(by=by, place=place)


def _of(codes: Container[str], said: object) -> str:
    """The answer, where it is one of our own codes."""
    return said if isinstance(said, str) and said in codes else ""


def _announce(application: Application, *, again: bool) -> None:
    moves.write(application.applicant, "application_submitted", application, application.get_absolute_url())
    path = reverse("access:review", args=[application.pk])
    free = conflicts.reviewers(application)
    for reviewer in free:
        moves.write(reviewer, "application_to_review", application, path, again=again, lane=application.lane)
    lacking.tell(application, len(free))


@transaction.atomic
def withdraw(*, by: User, application: Application, expected: int | None = None) -> Application:
    """Take it back, at any time before signing. One may apply again at once."""
    locked = moves.lock(application, expected=expected)
    was_draft = locked.status == Status.DRAFT
    moves.advance(locked, Verb.WITHDRAW, by)
    if not was_draft:
        moves.write(locked.applicant, "application_withdrawn", locked, locked.get_absolute_url())
    return locked


@transaction.atomic
def lapse(*, application: Application, expected: int | None = None) -> Application:
    """Close what nobody has touched; the schedule calls it. Raises Conflict where somebody has since it was read."""
    locked = moves.lock(application, expected=expected)
    moves.advance(locked, Verb.LAPSE, None)
    moves.write(locked.applicant, "application_lapsed", locked, locked.get_absolute_url(), days=PATIENCE.days)
    return locked


@transaction.atomic
def apply_again(*, by: User, application: Application) -> Application:
    """A new draft with the answers of a closed application, under the gate's present form.

    Raises what `moves.check` says to anybody but its applicant, Conflict (`already_open`) where another is open, and what
    `save_draft` raises.
    """
    closed = moves.lock(application)
    if closed.applicant_id != by.pk:
        moves.check(closed, Verb.SAVE_DRAFT, by)
    if Application.objects.open().filter(gate=closed.gate, applicant=by).exists():
        raise Conflict(_("You have an open application here already."), code="already_open")
    return save_draft(by=by, gate=closed.gate, answers=closed.answers)
