"""What every judgement shares: the application locked and in review, an unbiased judge, one vote a round, words."""

from __future__ import annotations

from typing import Final

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import texts
from portal.access import appeals, conflicts, substitutes
from portal.access.actions import moves
from portal.access.application_models import Application
from portal.access.review_models import Review, Vote
from portal.access.workflow import Status, Verb
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotAllowed
from portal.people.models import Role, User

NOTE_LIMIT: Final = 4_000


def ready(application: Application, by: User, expected: int | None) -> Application:
    """The application, locked, taken up when it was not yet, and open to votes."""
    locked = moves.lock(application, expected=expected)
    if locked.status == Status.SUBMITTED:
        moves.check(locked, Verb.START_REVIEW, by)
        begin(locked, by)
    moves.check(locked, Verb.REVIEW, by)
    return locked


def begin(application: Application, by: User) -> None:
    """Take it up; it is the reviewer's unless it is somebody's already."""
    application.assignee = application.assignee or by
    application.first_seen_at = application.first_seen_at or timezone.now()
    moves.advance(application, Verb.START_REVIEW, by, round=application.rounds)


def cast(application: Application, by: User, vote: Vote, note: str) -> None:
    """Record one's vote of this round, once.

    Raises Invalid about `note` where it is too long, Conflict (`already_voted`) where one has voted, or somebody in one's
    place.
    """
    kept = texts.within(NOTE_LIMIT, {"note": note}, wrong=_("The note is too long."))
    lab, chair = application.gate.lab, None
    if Role.REVIEWER not in by.roles_in(lab):
        chair = substitutes.chair_of(by, application)
    voters = {by, chair} - {None}
    taken = Review.objects.filter(application=application, round=application.rounds)
    if taken.filter(Q(reviewer__in=voters) | Q(in_place_of__in=voters)).exists():
        whose = _("You have voted in this round, or somebody has in your place.")
        if chair is not None:
            whose = _("%(name)s has voted in this round already.") % {"name": chair.get_full_name()}
        raise Conflict(whose, code="already_voted")
    Review.objects.create(
        application=application,
        reviewer=by,
        in_place_of=chair,
        round=application.rounds,
        vote=vote,
        note=kept["note"],
        cast_at=timezone.now(),
    )
    told = {"round": application.rounds, "vote": str(vote), **({"in_place_of": str(chair.pk)} if chair else {})}
    trail.record(Event.APPLICATION_REVIEWED, by=by, target=application, lab=lab, **told)


def require_unbiased(application: Application, by: User) -> None:
    """Raises NotAllowed for a known conflict, a recusal in any round (it lasts), or a part in the decline that is appealed."""
    found = conflicts.known(by, application)
    if found:
        message = _("You may not judge this application. %(why)s") % {"why": found[0].message}
        raise NotAllowed(message, reasons=found, code="conflict_of_interest")
    if Review.objects.filter(application=application, reviewer=by, vote=Vote.RECUSE).exists():
        raise NotAllowed(_("You recused yourself from this application."), code="recused")
    if application.status == Status.APPEALED and by.pk in appeals.involved(application):
        raise NotAllowed(_("You had a part in this decline. Reviewers who had none judge the appeal."), code="involved")


def said(text: str, field: str, missing: str) -> str:
    """The words, trimmed. Raises Invalid about the field when there are none, or too many."""
    return texts.needed(NOTE_LIMIT, field, text, missing=missing, wrong=_("The message is too long."))
