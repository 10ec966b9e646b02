"""What reviewers do: begin, vote, ask for changes, decline. Approval is what a quorum of votes makes."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import appeals, reasons
from portal.access.actions import appealing, lacking, moves, refereeing
from portal.access.actions.judging import begin, cast, ready, require_unbiased, said
from portal.access.application_models import Application, Change, Decline
from portal.access.desk_models import Outcome
from portal.access.review_models import Review, Vote
from portal.access.workflow import Status, Verb
from portal.errors import Invalid
from portal.mail import sending
from portal.people.models import User


@transaction.atomic
def start_review(*, by: User, application: Application) -> Application:
    """Take it up: it is assigned to the reviewer, and the applicant sees that a person reads it."""
    locked = moves.lock(application)
    moves.check(locked, Verb.START_REVIEW, by)
    require_unbiased(locked, by)
    begin(locked, by)
    return locked


@transaction.atomic
def cast_vote(
    *,
    by: User,
    application: Application,
    vote: Vote,
    note: str = "",
    expected: int | None = None,
    without_confirmation: str = "",
) -> Application:
    """Vote once per round. The vote that completes the quorum approves, and overturns what was appealed; recusal
    takes the reviewer off.

    A vote to decline is one's say; `decline` is what ends an application. An approval needs the confirmations that the
    gate asks for, or a reason to go on `without_confirmation`; raises Invalid (`confirmations_missing`).
    """
    locked = ready(application, by, expected)
    if vote != Vote.RECUSE:
        require_unbiased(locked, by)
    if vote == Vote.APPROVE:
        refereeing.require_confirmations(locked, by, without_confirmation)
    cast(locked, by, vote, note)
    approvals = Review.objects.filter(application=locked, round=locked.rounds, vote=Vote.APPROVE).count()
    if vote == Vote.APPROVE and approvals >= locked.quorum:
        _approve(locked, by, approvals)
    elif vote == Vote.RECUSE:
        _step_aside(locked, by)
    return locked


@transaction.atomic
def request_changes(
    *,
    by: User,
    application: Application,
    message: str,
    reason: Change = Change.OTHER,
    expected: int | None = None,
    batch: str = "",
) -> Application:
    """Hand it back with a message that says what to change. The next sending opens a new round of votes.

    `batch` names the others that were handed back in the same stroke, in the audit trail. Raises Invalid about `message` or
    `change`, and what `ready` and `require_unbiased` raise.
    """
    locked = ready(application, by, expected)
    require_unbiased(locked, by)
    locked.message = said(message, "message", _("Say what to change, in a sentence or two."))
    if reason not in Change.values:
        raise Invalid(_("Choose what kind of change."), fields={"change": [_("Choose what kind of change.")]})
    locked.change = reason
    told = {"round": locked.rounds, "reason": str(reason), **({"batch": batch} if batch else {})}
    moves.advance(locked, Verb.REQUEST_CHANGES, by, message=locked.message, **told)
    words = reasons.for_mail(locked.gate.lab, f"changes_{reason}", locked.applicant.language)
    until = sending.moment(locked.closes_at)
    moves.write(locked.applicant, "changes_requested", locked, locked.get_absolute_url(), until=until, **words)
    return locked


@transaction.atomic
def decline(
    *,
    by: User,
    application: Application,
    reason: Decline,
    message: str,
    note: str = "",
    expected: int | None = None,
) -> Application:
    """Decline, with a typed reason and words for the applicant. Only a person can; one may apply again.

    Raises Invalid about `reason`, `message` or `note`, and what `ready` and `require_unbiased` raise.
    """
    locked = ready(application, by, expected)
    require_unbiased(locked, by)
    if reason not in Decline.values:
        raise Invalid(_("Choose a reason."), fields={"reason": [_("Choose a reason.")]})
    words = said(message, "message", _("Tell the applicant why, in a sentence or two."))
    cast(locked, by, Vote.DECLINE, note)
    locked.reason, locked.message = reason, words
    locked.decided_at, locked.decided_by = timezone.now(), by
    moves.advance(locked, Verb.DECLINE, by, message=words, reason=str(reason), round=locked.rounds)
    spoken = reasons.for_mail(locked.gate.lab, f"declined_{reason}", locked.applicant.language)
    until = sending.moment(appeals.deadline(locked))
    moves.write(locked.applicant, "application_declined", locked, locked.get_absolute_url(), until=until, **spoken)
    return locked


def _step_aside(application: Application, by: User) -> None:
    if application.assignee_id == by.pk:
        application.assignee = None
        application.save(update_fields=["assignee", "updated_at"])
    lacking.tell(application, len(lacking.free(application)))


def _approve(application: Application, by: User, approvals: int) -> None:
    appealed = application.status == Status.APPEALED
    if appealed:
        appealing.end(application, by, Outcome.OVERTURNED)
        application.reason = application.message = ""
    verb, template = (Verb.OVERTURN, "appeal_overturned") if appealed else (Verb.APPROVE, "application_approved")
    application.decided_at, application.decided_by = timezone.now(), by
    moves.advance(application, verb, by, approvals=approvals, quorum=application.quorum, round=application.rounds)
    path, until = reverse("access:sign", args=[application.pk]), sending.moment(application.closes_at)
    moves.write(application.applicant, template, application, path, until=until)
