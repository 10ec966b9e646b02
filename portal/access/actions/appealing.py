"""Appeals: the applicant makes one, reviewers who had no part in the decline end it."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import appeals
from portal.access.actions import judging, lacking, moves
from portal.access.application_models import Application
from portal.access.desk_models import Appeal, Outcome
from portal.access.review_models import Vote
from portal.access.workflow import Verb
from portal.errors import Conflict
from portal.people.models import User


@transaction.atomic
def appeal(*, by: User, application: Application, text: str, expected: int | None = None) -> Appeal:
    """Ask for fresh reviewers, once, within the term after the decline. It opens one more round of votes.

    Raises Conflict when the term is over, an appeal was made, or another application followed.
    """
    locked = moves.lock(application, expected=expected)
    moves.check(locked, Verb.APPEAL, by)
    if not appeals.may_appeal(locked):
        raise Conflict(_("This decline can no longer be appealed. You may apply again."), code="appeal_closed")
    said = judging.said(text, "text", _("Say what the reviewers overlooked or misread."))
    made = Appeal.objects.create(application=locked, text=said, made_at=timezone.now())
    locked.rounds += 1
    locked.assignee = None
    moves.advance(locked, Verb.APPEAL, by, round=locked.rounds)
    moves.write(by, "appeal_made", locked, locked.get_absolute_url())
    _call(locked)
    return made


def _call(application: Application) -> None:
    """Tell the fresh reviewers, and of their lack."""
    path, fresh = reverse("access:review", args=[application.pk]), appeals.fresh_reviewers(application)
    for reviewer in fresh:
        moves.write(reviewer, "appeal_to_review", application, path)
    lacking.tell(application, len(fresh))


@transaction.atomic
def uphold(*, by: User, application: Application, message: str, note: str = "", expected: int | None = None) -> Appeal:
    """Let the decline stand, with words for the applicant. One fresh reviewer's say ends it, as with a decline."""
    locked = judging.ready(application, by, expected)
    moves.check(locked, Verb.UPHOLD, by)
    judging.require_unbiased(locked, by)
    said = judging.said(message, "message", _("Tell the applicant why the decline stands, in a sentence or two."))
    judging.cast(locked, by, Vote.DECLINE, note)
    moves.advance(locked, Verb.UPHOLD, by, message=said, round=locked.rounds)
    moves.write(locked.applicant, "appeal_upheld", locked, locked.get_absolute_url())
    return end(locked, by, Outcome.UPHELD, said)


def end(application: Application, by: User, outcome: Outcome, message: str = "") -> Appeal:
    """Write how the appeal ended. The caller holds the application's lock."""
    found: Appeal = application.appeal
    found.outcome, found.message, found.decided_at, found.decided_by = outcome, message, timezone.now(), by
    found.save()
    return found
