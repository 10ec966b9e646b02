"""Confirmations from outside: the applicant names a referee, who answers once by a mailed link, without an account."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import texts
from portal.access import confirmations, mailed_links
from portal.access.actions import moves
from portal.access.application_models import Application
from portal.access.member_models import Member
from portal.access.members import ON_TEAM
from portal.access.referee_models import COMMENT_LIMIT, Referee, Waiver
from portal.access.referees import (
    LINK_LIFE,
    NAMED,
    Party,
    RefereeStatus,
    RefereeVerb,
    next_status,
    reminders_due,
)
from portal.access.workflow import QUEUED, Status
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.mail import sending
from portal.people.domains import domain_of, mailbox_of
from portal.people.models import User

OPEN_TO_REFEREES: Final = QUEUED | {Status.CHANGES_REQUESTED}
"""While an application is one of these, referees can be named and can answer."""
ASKED_IN_ALL: Final = 10
"""People whom one application can make us write to."""
RELATION_LIMIT: Final = 120


@transaction.atomic
def ask_referee(*, by: User, application: Application, name: str, email: str, relation: str) -> Referee:
    """Name somebody who confirms; they are asked by mail. Only who applied can.

    Raises Invalid, field by field, for oneself, a member of the team, somebody named already, and past what the gate
    asks for.
    """
    locked = _own(application, by)
    name, email = mailed_links.named(name, email)
    relation = _relation(relation)
    _require_fit(locked, by, email)
    now = timezone.now()
    mailed_links.require_budget(
        Referee.objects.filter(application__applicant=by, asked_at__gt=now - timedelta(days=1)).count()
    )
    secret, digest = mailed_links.fresh()
    referee = Referee.objects.create(
        application=locked, name=name, email=email, mailbox=mailbox_of(email), relation=relation, digest=digest,
        asked_at=now, sent_at=now, expires_at=now + LINK_LIFE,
    )  # fmt: skip
    _record(Event.CONFIRMATION_ASKED, referee, by, domain=domain_of(email))
    _ask(referee, secret, again=False)
    return referee


def _own(application: Application, by: User) -> Application:
    """The application, locked. To everybody but who applied it is not there."""
    locked = moves.lock(application)
    if locked.applicant_id != by.pk:
        raise NotFound(_("There is no such application."))
    if locked.status not in OPEN_TO_REFEREES or not locked.confirmations:
        raise Conflict(_("No confirmation is asked for here now."), code="wrong_status")
    return locked


def _relation(text: str) -> str:
    words = " ".join(text.split())
    if not words or len(words) > RELATION_LIMIT or mailed_links.is_no_name(words):
        message = _("Say in a few words how they know you, for example: doctoral supervisor.")
        raise Invalid(message, fields={"relation": [message]})
    return words


def _require_fit(application: Application, by: User, email: str) -> None:
    mailbox, named, problem = mailbox_of(email), Referee.objects.filter(application=application), ""
    same = set(named.filter(mailbox=mailbox).values_list("status", flat=True))
    if mailed_links.is_own(by, email):
        problem = _("This is your own address. Somebody else confirms.")
    elif Member.objects.filter(application=application, mailbox=mailbox, status__in=ON_TEAM).exists():
        problem = _("They are on your team. Name somebody who is not.")
    elif same - {RefereeStatus.REPLACED}:
        problem = _("They have been asked already. Name somebody else.")
    elif named.filter(status__in=NAMED).count() >= application.confirmations:
        problem = _("You have named as many as are asked for. Replace one first.")
    elif named.count() >= ASKED_IN_ALL:
        problem = _("You have named ten people. Write to the lab.")
    if problem:
        raise Invalid(problem, fields={"email": [problem]})


@transaction.atomic
def remind_referee(*, by: User, referee: Referee) -> Referee:
    """Mail a new link with a new time; the one before stops working. Three times at most, a day apart."""
    _own(referee.application, by)
    locked = _locked(referee, RefereeVerb.REMIND, Party.APPLICANT)
    mailed_links.require_rest(locked, timezone.now())
    locked.reminders, locked.notices = locked.reminders + 1, 0
    locked.expires_at = timezone.now() + LINK_LIFE
    _renew(locked, by)
    return locked


@transaction.atomic
def remind_by_schedule(*, referee: Referee) -> bool:
    """Send the one reminder that is due and was not sent; whether one was. The count changes with the mail."""
    moves.lock(referee.application)
    locked, now = Referee.objects.select_for_update(of=("self",)).get(pk=referee.pk), timezone.now()
    due = reminders_due(locked.expires_at, now)
    open_now = locked.application.status in OPEN_TO_REFEREES and locked.expires_at > now
    waived = Waiver.objects.filter(application_id=locked.application_id).exists()
    if (
        not open_now
        or waived
        or due <= locked.notices
        or next_status(locked.status, RefereeVerb.REMIND, Party.CLOCK) is None
    ):
        return False
    locked.notices = due
    _renew(locked, None)
    return True


def _renew(referee: Referee, by: User | None) -> None:
    """A new secret in a new mail; only digests are kept, so the old link cannot be sent again."""
    secret, referee.digest = mailed_links.fresh()
    referee.status, referee.ended_at, referee.sent_at = RefereeStatus.ASKED, None, timezone.now()
    referee.save()
    _record(Event.CONFIRMATION_REMINDED, referee, by)
    _ask(referee, secret, again=True)


@transaction.atomic
def replace_referee(*, by: User, referee: Referee) -> Referee:
    """Take the request back, so that somebody else can be named. The lab still sees who was asked."""
    _own(referee.application, by)
    return _close(_locked(referee, RefereeVerb.REPLACE, Party.APPLICANT), RefereeStatus.REPLACED, by)


@transaction.atomic
def expire_referee(*, referee: Referee) -> bool:
    """Close a request that nobody answered in its time, and tell the applicant, once; whether it was still open."""
    moves.lock(referee.application)
    locked = Referee.objects.select_for_update(of=("self",)).get(pk=referee.pk)
    gone = locked.expires_at <= timezone.now() and next_status(locked.status, RefereeVerb.EXPIRE, Party.CLOCK)
    if not gone:
        return False
    _close(locked, RefereeStatus.EXPIRED, None)
    if locked.application.status in OPEN_TO_REFEREES:
        _tell_applicant(locked, "referee_silent")
    return True


def of_secret(secret: str) -> Referee:
    """The request behind a link that can still be answered. Raises NotFound, the same for every other link."""
    rows = Referee.objects.select_related("application__gate__lab", "application__applicant")
    found = rows.filter(digest=mailed_links.digest(secret), status=RefereeStatus.ASKED).first()
    gone = found is None or found.expires_at <= timezone.now()
    if found is None or gone or found.application.status not in OPEN_TO_REFEREES:
        raise NotFound(
            _(
                "This request was answered, taken back, decided without it or has run out, or a newer mail replaced it. "
                "Use the link of the newest mail. If there is none, there is nothing to do."
            )
        )
    return found


@transaction.atomic
def answer_referee(*, secret: str, answer: RefereeVerb, comment: str = "") -> Referee:
    """Confirm, decline, or say that one does not know the applicant; once. `comment` is for the lab's reviewers alone.

    Raises NotFound for a link that is not good any more, Invalid about a `comment` that is too long.
    """
    words = texts.within(COMMENT_LIMIT, {"comment": comment})["comment"]
    moves.lock(of_secret(secret).application)
    referee = _locked(of_secret(secret), answer, Party.REFEREE)
    status = next_status(referee.status, answer, Party.REFEREE)
    referee.comment = words
    _close(referee, status or RefereeStatus.DECLINED, None)
    _tell_applicant(referee, "referee_answered", confirmed=referee.status == RefereeStatus.CONFIRMED)
    return referee


def require_confirmations(application: Application, by: User, without: str) -> None:
    """What an approval needs: every confirmation, or a reviewer's reason to go on without, which is kept.

    Raises Invalid (`confirmations_missing`) where neither is there.
    """
    standing = confirmations.standing(application)
    if standing.complete:
        return
    reason = without.replace("\x00", "").strip()
    if not reason or len(reason) > COMMENT_LIMIT:
        message = _("Confirmations are missing. Wait for them, or say in a sentence or two why you go on without.")
        raise Invalid(message, fields={"without_confirmation": [message]}, code="confirmations_missing")
    Waiver.objects.create(application=application, by=by, at=timezone.now(), reason=reason)
    lab, missing = application.gate.lab, standing.missing
    trail.record(Event.CONFIRMATION_WAIVED, by=by, target=application, lab=lab, missing=missing)


def _locked(referee: Referee, verb: RefereeVerb, party: Party) -> Referee:
    """The row as it is now. Raises Conflict where the table has no such move; the application is locked before it."""
    rows = Referee.objects.select_for_update(of=("self",)).select_related("application__gate__lab")
    locked = rows.get(pk=referee.pk)
    if next_status(locked.status, verb, party) is None:
        raise Conflict(_("This has changed meanwhile. Reload the page."), code="wrong_status")
    return locked


_ENDINGS: Final = {
    RefereeStatus.REPLACED: Event.CONFIRMATION_TAKEN_BACK,
    RefereeStatus.EXPIRED: Event.CONFIRMATION_EXPIRED,
}


def _close(referee: Referee, status: RefereeStatus, by: User | None) -> Referee:
    referee.status, referee.digest, referee.ended_at = status, "", timezone.now()
    referee.save()
    event = _ENDINGS.get(status, Event.CONFIRMATION_ANSWERED)
    _record(event, referee, by, **({"answer": str(status)} if status not in _ENDINGS else {}))
    return referee


def _record(event: Event, referee: Referee, by: User | None, **facts: str) -> None:
    application = referee.application
    known = {"referee": referee.pk, "gate": application.gate.slug, **facts}
    trail.record(event, by=by, target=application, lab=application.gate.lab, **known)


def _ask(referee: Referee, secret: str, *, again: bool) -> None:
    """The mail to the referee: who asks, at which gate, until when. Nothing that was answered."""
    application = referee.application
    context = {
        "name": referee.name,
        "applicant": application.applicant.get_full_name(),
        "gate": application.gate.title,
        "lab": application.gate.lab.name,
        "until": sending.moment(referee.expires_at),
        "again": again,
        "path": reverse("access:confirmation", args=[secret]),
    }
    to, language, key = referee.email, application.applicant.language, f"referee:{referee.pk}"
    sending.send(to=to, template="referee_asked", context=context, key=key, language=language)


def _tell_applicant(referee: Referee, template: str, **more: bool) -> None:
    application = referee.application
    path = reverse("access:referees", args=[application.pk])
    moves.write(application.applicant, template, application, path, referee=referee.name, **more)
