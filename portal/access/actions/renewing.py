"""How a grant is renewed: the holder reports, the lab or the gate's own rule says yes, and the old end moves (ADR 8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal import texts
from portal.access import conflicts, lifetime
from portal.access.actions import admitting, grant_moves
from portal.access.application_models import Lane
from portal.access.lifetime import GrantVerb, RenewalStatus, RenewalVerb
from portal.access.lifetime_models import REPORT, REPORT_LIMIT, Renewal
from portal.access.models import Grant
from portal.agreements.models import Signature
from portal.audit.events import Event
from portal.errors import Conflict, NotAllowed, NotFound
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.models import Role, User


def new_end(grant: Grant) -> datetime:
    """Where a renewal would move the end: one period of the gate after the old end."""
    return grant.ends_at + timedelta(days=grant.gate.grant_days)


def signed_until(grant: Grant, end: datetime) -> bool:
    """Whether the holder's signature, as things stand, still binds at `end`: no later text asks for another by then."""
    return (
        Signature.objects.binding(end).filter(user=grant.user_id, version__agreement=grant.gate.agreement_id).exists()
    )


@transaction.atomic
def renew(*, by: User, grant: Grant, report: Mapping[str, str] | None = None) -> Renewal:
    """Ask to go on, from 60 days before the end. `report` answers any of REPORT; empty says that nothing changed.

    With nothing to report, a green application and a gate that allows it, it is granted at once. Raises Conflict before
    the 60 days, while another renewal waits, and while a newer text of the agreement asks for a signature.
    """
    locked = grant_moves.lock(grant)
    grant_moves.check(locked, GrantVerb.RENEW, by)
    if locked.institutional_id:
        text = _(
            "Your seat runs with your institution’s agreement. Its signing official asks the lab for the next one."
        )
        raise Conflict(text, code="institutional")
    opens = lifetime.renewal_opens(locked.ends_at)
    if timezone.now() < opens:
        raise Conflict(_("This grant can be renewed from %(day)s on.") % {"day": date_format(opens)}, code="too_early")
    if grant_moves.open_renewal(locked) is not None:
        raise Conflict(_("Your renewal is with the lab already."), code="already_sent")
    _require_signature(locked)
    renewal = Renewal.objects.create(
        grant=locked, ends_from=locked.ends_at, sent_at=timezone.now(), **_answers(report or {})
    )
    facts: dict[str, Any] = {"renewal": str(renewal.pk), "unchanged": renewal.unchanged}
    grant_moves.record(locked, Event.RENEWAL_SENT, GrantVerb.RENEW, by, **facts)
    if needs_no_review(locked, unchanged=renewal.unchanged):
        _grant(locked, renewal, RenewalVerb.PASS, None)
    else:
        path = reverse("access:grant", args=[locked.pk])
        for reviewer in grant_moves.staff(locked, [Role.REVIEWER]):
            if not conflicts.over(reviewer, locked.project, locked.user):
                grant_moves.tell(locked, "renewal_to_review", path, to=reviewer)
    return renewal


def _answers(report: Mapping[str, str]) -> dict[str, str]:
    said = {name: str(report.get(name, "")) for name in REPORT}
    return texts.within(REPORT_LIMIT, said, wrong=_("An answer is too long."))


def needs_no_review(grant: Grant, *, unchanged: bool) -> bool:
    """Whether a renewal is granted at once: nothing to report, the application was green, and the gate allows it."""
    application = grant.application
    green = application is not None and application.lane == Lane.GREEN
    return grant.gate.renew_unchanged and unchanged and green


def _require_signature(grant: Grant) -> None:
    if not signed_until(grant, new_end(grant)):
        raise Conflict(_("The agreement has a newer text. The holder signs it first; then renew."), code="unsigned")


@transaction.atomic
def approve_renewal(*, by: User, grant: Grant) -> Renewal:
    """Extend the grant by one period from its old end; one reviewer suffices. Raises Conflict where nothing waits."""
    locked, renewal = _decidable(grant, by, RenewalVerb.APPROVE)
    return _grant(locked, renewal, RenewalVerb.APPROVE, by)


@transaction.atomic
def decline_renewal(*, by: User, grant: Grant, message: str) -> Renewal:
    """Let the grant run out at its old end, with words for the holder, who may ask again before that or apply again.

    After the end it is over with this word: the holder and the team are told by when copies are to be deleted.
    """
    locked, renewal = _decidable(grant, by, RenewalVerb.DECLINE)
    renewal.message = grant_moves.said(message, "message", _("Tell the holder why, in a sentence or two."))
    renewal.decided_by = by
    _close(renewal, RenewalStatus.DECLINED)
    grant_moves.record(locked, Event.RENEWAL_DECLINED, "decline_renewal", by, message=renewal.message)
    told: dict[str, Any] = {"until": sending.moment(locked.ends_at), "over": _run_out(locked)}
    told["deletion_due"] = sending.moment(locked.deletion_due_at)
    grant_moves.tell(locked, "renewal_declined", locked.get_absolute_url(), **told)
    return renewal


@transaction.atomic
def withdraw_renewal(*, by: User, grant: Grant) -> Renewal:
    """Take a renewal back while it waits."""
    locked, renewal = _waiting(grant, by, RenewalVerb.WITHDRAW)
    _close(renewal, RenewalStatus.WITHDRAWN)
    grant_moves.record(locked, Event.RENEWAL_WITHDRAWN, "withdraw_renewal", by)
    _run_out(locked)
    return renewal


def lapse(grant: Grant) -> None:
    """Close the renewal of a grant that is over for good; inside the caller's transaction, under its lock."""
    renewal = grant_moves.open_renewal(grant)
    if renewal is not None:
        _close(renewal, RenewalStatus.LAPSED)


def _waiting(grant: Grant, by: User, verb: RenewalVerb) -> tuple[Grant, Renewal]:
    locked = grant_moves.lock(grant)
    acting = grant_moves.parties(locked, by)
    if not acting:
        raise NotFound(_("There is no such grant."))
    if lifetime.next_renewal(RenewalStatus.SUBMITTED, verb, acting) is None:
        raise NotAllowed(_("This is not yours to do."), code="wrong_party")
    renewal = grant_moves.open_renewal(locked)
    if renewal is None:
        raise Conflict(_("No renewal waits here. Reload the page."), code="nothing_waits")
    return locked, renewal


def _decidable(grant: Grant, by: User, verb: RenewalVerb) -> tuple[Grant, Renewal]:
    locked, renewal = _waiting(grant, by, verb)
    found = conflicts.over(by, locked.project, locked.user)
    if found:
        raise NotAllowed(
            _("You may not judge this renewal. %(why)s") % {"why": found[0].message},
            reasons=found,
            code="conflict_of_interest",
        )
    return locked, renewal


def _grant(grant: Grant, renewal: Renewal, verb: RenewalVerb, by: User | None) -> Renewal:
    grant_moves.check(grant, GrantVerb.EXTEND, by)
    _require_signature(grant)
    _require_room(grant)
    grant.ends_at = renewal.ends_to = new_end(grant)
    grant.save(update_fields=["ends_at"])
    admitting.extend_team(grant, renewal.ends_from)
    renewal.decided_by = by
    _close(renewal, RenewalStatus.GRANTED)
    grant_moves.record(grant, Event.RENEWAL_GRANTED, verb, by, until=grant.ends_at)
    bump_user(grant.user)
    grant_moves.tell(grant, "renewal_granted", grant.get_absolute_url(), until=sending.moment(grant.ends_at))
    return renewal


def _require_room(grant: Grant) -> None:
    """The period after the old end is still the holder's to be given: it is not over, and no newer grant lies in it."""
    if Grant.objects.after(grant).exists():
        text = _("The holder was given a newer grant here since. Decline this renewal; they may apply again.")
        raise Conflict(text, code="already_granted")
    if new_end(grant) <= timezone.now():
        text = _(
            "One more period from the old end would be over by now. Decline this renewal; the holder may apply again."
        )
        raise Conflict(text, code="too_late")


def _close(renewal: Renewal, status: RenewalStatus) -> None:
    renewal.status, renewal.closed_at = status, timezone.now()
    renewal.save(update_fields=["status", "closed_at", "decided_by", "message", "ends_to"])


def _run_out(grant: Grant) -> bool:
    """A grant that ended while its renewal waited is over now, and its copies with it. Whether it had ended."""
    now = timezone.now()
    over = grant.ends_at <= now
    if over:
        grant_moves.ask_for_deletion(grant, now)
        grant.save(update_fields=["deletion_due_at"])
        admitting.run_out(grant, now)
    return over


def shown(grant: Grant) -> dict[str, Any]:
    """What a page or an answer says of renewing this grant now."""
    opens = lifetime.renewal_opens(grant.ends_at)
    return {"opens": opens, "open": timezone.now() >= opens, "until": new_end(grant)}
