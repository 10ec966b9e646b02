"""The roster: who is invited to a seat, who asks for one, who takes it, who leaves it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.access import roster
from portal.access.actions import closing, grant_moves, institutional_moves
from portal.access.institutional import INVITATION_LIFE, Line, LineVerb, Party, Status, Verb
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.access.lifetime_models import GrantStep
from portal.access.models import Grant
from portal.access.roster import Pasted
from portal.agreements import actions as agreements
from portal.agreements.models import Version
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.domains import mailbox_of
from portal.people.models import User
from portal.projects.actions import open_project

if TYPE_CHECKING:
    from datetime import datetime

UNDERTAKING: Final = gettext_lazy(
    "I work at {institution}. I have read the agreement, I use what it opens as it says and for my work there, "
    "I pass no weights on, and I delete every copy when my seat ends."
)
"""What a member accepts; the receipt quotes it."""


@transaction.atomic
def invite_to_roster(
    *, by: User, agreement: InstitutionalAgreement, text: str
) -> tuple[list[RosterLine], list[Pasted]]:
    """Invite every good address of a paste; (those invited, the lines that were not, each with its problem).

    Raises Invalid where the paste is empty or too long as a whole.
    """
    locked = institutional_moves.lock(agreement)
    institutional_moves.check(locked, Verb.INVITE, by)
    lines = roster.judged(_pasted(text), locked)
    room = max(0, locked.seats - locked.roster.filter(status=Line.INVITED).count())
    good = [line for line in lines if not line.problem]
    full = _("There are as many open invitations as seats. Wait for answers, or take some back.")
    over = [Pasted(line.text, line.address, full) for line in good[room:]]
    invited = [_invited(locked, line.address) for line in good[:room]]
    if invited:
        institutional_moves.roster_changed(locked)
        institutional_moves.record(Event.ROSTER_INVITED, locked, by, count=len(invited))
    return invited, [line for line in lines if line.problem] + over


def _pasted(text: str) -> list[Pasted]:
    lines = roster.read_lines(text)
    if not lines:
        raise Invalid(_("Nobody to invite."), fields={"people": [_("Write at least one address.")]})
    if len(lines) > roster.MOST_LINES:
        told = _("Invite at most %(most)s people at once; these are %(count)s. Send them in parts.") % {
            "most": roster.MOST_LINES,
            "count": len(lines),
        }
        raise Invalid(told, fields={"people": [told]})
    return lines


def _invited(agreement: InstitutionalAgreement, address: str) -> RosterLine:
    line = RosterLine(agreement=agreement, address=address, mailbox=mailbox_of(address))
    _send(agreement, line)
    return line


def _send(agreement: InstitutionalAgreement, line: RosterLine) -> None:
    """A new link for a line, good for INVITATION_LIFE; the one before works no longer. Only its digest is kept."""
    secret, now = secrets.token_urlsafe(32), timezone.now()
    line.status, line.since = Line.INVITED, now
    line.digest, line.expires_at = institutional_moves.digest(secret), now + INVITATION_LIFE
    line.save()
    path = reverse("access:seat_invitation", args=[secret])
    until = sending.moment(line.expires_at)
    institutional_moves.tell(agreement, "roster_invited", line.user or line.address, path, until=until)


@transaction.atomic
def ask_to_join(*, by: User, agreement: InstitutionalAgreement) -> RosterLine:
    """Somebody with a verified address of the institution asks its official for a seat.

    Raises NotFound where it is not in force, Conflict without such evidence or for who is on the roster (`on_roster`).
    """
    locked = institutional_moves.lock(agreement)
    if locked.state() != Status.IN_FORCE:
        raise NotFound(_("There is no such agreement, or it has ended."))
    place = institutional_moves.evidence(by, locked)
    address = roster.proved_address(place) or by.email
    line = RosterLine(agreement=locked, address=address, mailbox=mailbox_of(address), user=by)
    line.status, line.since = Line.ASKED, timezone.now()
    try:
        with transaction.atomic():
            line.save()
    except IntegrityError:
        raise Conflict(
            _("You are on the roster already: look for the invitation in your mail."), code="on_roster"
        ) from None
    institutional_moves.roster_changed(locked)
    institutional_moves.record(Event.ROSTER_ASKED, locked, by)
    institutional_moves.tell_official(locked, "roster_asked", person=by.get_full_name())
    return line


@transaction.atomic
def admit(*, by: User, line: RosterLine) -> RosterLine:
    """Say yes to somebody who asks: they get an invitation."""
    return _invite_line(by, line, LineVerb.ADMIT)


@transaction.atomic
def invite_again(*, by: User, line: RosterLine) -> RosterLine:
    """Send an invitation once more, with a new link."""
    return _invite_line(by, line, LineVerb.INVITE_AGAIN)


def _invite_line(by: User, line: RosterLine, verb: LineVerb) -> RosterLine:
    locked, found = institutional_moves.lock_line(line)
    institutional_moves.check(locked, Verb.INVITE, by)
    institutional_moves.check_line(found, verb, Party.OFFICIAL)
    _send(locked, found)
    institutional_moves.roster_changed(locked)
    institutional_moves.record(Event.ROSTER_INVITED, locked, by, count=1)
    return found


@transaction.atomic
def refuse_seat(*, by: User, line: RosterLine) -> RosterLine:
    """Say no to somebody who asks."""
    locked, found = institutional_moves.lock_line(line)
    institutional_moves.check(locked, Verb.INVITE, by)
    institutional_moves.move_line(found, LineVerb.REFUSE, Party.OFFICIAL)
    institutional_moves.roster_changed(locked)
    institutional_moves.record(Event.ROSTER_REFUSED, locked, by)
    if found.user:
        path = reverse("access:join_institutional", args=[locked.pk])
        institutional_moves.tell(locked, "roster_refused", found.user, path)
    return found


def seat_invitation(*, by: User, secret: str) -> RosterLine:
    """The invitation behind a link that still works, for the person whose mailbox it went to.

    Raises NotFound with what to do: expired, used, unknown, or signed in as somebody else.
    """
    rows = RosterLine.objects.select_related(*(f"agreement__{name}" for name in institutional_moves.RELATED))
    found = rows.filter(digest=institutional_moves.digest(secret), status=Line.INVITED).first()
    if found is None or found.expired:
        raise NotFound(
            _("This invitation was used, taken back, or has run out. Ask your institution’s official for a new one.")
        )
    if found.mailbox not in roster.mailboxes(by):
        raise NotFound(
            _(
                "This invitation went to another address. Sign in to the account of that address, "
                "or add the address to this account and confirm it; then open the link again."
            )
        )
    return found


@transaction.atomic
def accept_seat(*, by: User, secret: str, typed_name: str, text_sha256: str) -> Grant:
    """Accept the undertaking, which takes a seat and opens the grant, from this minute.

    Raises NotFound for a link that does not work, Conflict where no seat is free, or access is held already.
    """
    line = seat_invitation(by=by, secret=secret)
    locked, found = institutional_moves.lock_line(line)
    if found.digest != line.digest:  # somebody was faster: used, taken back or sent again
        raise NotFound(_("This invitation was used or taken back. Ask your institution’s official for a new one."))
    grant_moves.hold_for_new(by, locked.gate)
    grant = _opened(locked, by, until=_require_seat(locked, by))
    signature = agreements.sign(
        by=by,
        version=_text(locked),
        typed_name=typed_name,
        capacity=f"for myself, under the agreement of {locked.institution.name[:150]}",
        text_sha256=text_sha256,
        particulars={"gate": locked.gate.title, **locked.facts(), "undertaking": undertaking(locked), **grant.facts()},
    )
    found.user, found.grant = by, grant
    institutional_moves.move_line(found, LineVerb.ACCEPT, Party.PERSON)
    institutional_moves.roster_changed(locked)
    facts = {"institutional": str(locked.pk), "receipt": str(signature.receipt_id), "until": grant.ends_at}
    trail.record(Event.SEAT_TAKEN, by=by, target=grant, lab=locked.gate.lab, gate=locked.gate.slug, **facts)
    bump_user(by)
    until = sending.moment(grant.ends_at)
    grant_moves.tell(grant, "grant_active", signature.get_absolute_url(), until=until, receipt=signature.reference)
    return grant


def undertaking(agreement: InstitutionalAgreement) -> str:
    """The words that a member of this institution accepts."""
    return str(UNDERTAKING).format(institution=agreement.institution.name)


def _require_seat(agreement: InstitutionalAgreement, by: User) -> datetime:
    """When a seat taken now ends; raises Conflict with what to do if none can be. The caller holds the lock."""
    who = {"official": agreement.official.get_full_name(), "seats": agreement.seats}
    running = InstitutionalAgreement.objects.in_force().attested().filter(pk=agreement.pk)
    if agreement.ends_at is None or not running.exists():
        raise Conflict(
            _("The agreement of your institution is not in force now. Ask %(official)s, who signs for it.") % who,
            code="not_in_force",
        )
    if agreement.free < 1:
        told = ngettext(
            "The one seat is taken. Ask %(official)s, who signs for your institution.",
            "All %(seats)s seats are taken. Ask %(official)s, who signs for your institution.",
            agreement.seats,
        )
        raise Conflict(told % who, code="no_seat")
    if Grant.objects.standing().filter(user=by, gate=agreement.gate).exists():
        raise Conflict(_("You hold access here already."), code="already_granted")
    grant_moves.require_not_taken(by, agreement.gate)
    return agreement.ends_at


def _text(agreement: InstitutionalAgreement) -> Version:
    version = agreement.gate.agreement.current()
    if version is None:
        raise Conflict(_("The agreement has no published text yet."), code="no_text")
    return version


def _opened(agreement: InstitutionalAgreement, by: User, *, until: datetime) -> Grant:
    gate = agreement.gate
    Grant.objects.filter(user=by, gate=gate, revoked_at=None, closed_out_at=None).update(deletion_due_at=None)
    title = f"{gate.title}, {agreement.institution}"[:160]
    return Grant.objects.create(
        project=open_project(by=by, owner=by, title=title, lab=gate.lab),
        user=by,
        gate=gate,
        institutional=agreement,
        capabilities=agreement.capabilities,
        starts_at=timezone.now(),
        ends_at=until,
    )


@transaction.atomic
def decline_seat(*, by: User, secret: str) -> RosterLine:
    """Say no to an invitation."""
    locked, found = institutional_moves.lock_line(seat_invitation(by=by, secret=secret))
    institutional_moves.move_line(found, LineVerb.DECLINE, Party.PERSON)
    institutional_moves.roster_changed(locked)
    institutional_moves.record(Event.SEAT_DECLINED, locked, by)
    return found


@transaction.atomic
def remove_from_roster(*, by: User, line: RosterLine) -> RosterLine:
    """Take somebody off the roster. A seat's grant ends at once, at all doors, and the seat is free."""
    locked, found = institutional_moves.lock_line(line)
    institutional_moves.check(locked, Verb.REMOVE, by)
    grant = found.grant if found.status == Line.SEATED else None
    institutional_moves.move_line(found, LineVerb.REMOVE, Party.OFFICIAL)
    institutional_moves.roster_changed(locked)
    facts = {"holder": str(found.user_id or ""), "grant": str(grant.pk) if grant else ""}
    institutional_moves.record(Event.SEAT_FREED, locked, by, **facts)
    if grant:
        _end(grant, by)
    return found


def _end(grant: Grant, by: User) -> None:
    """End a grant now. The notice of its end, with the day by which copies are to be gone, leaves in the same transaction."""
    locked, now = grant_moves.lock(grant), timezone.now()
    if locked.revoked_at is None and locked.ends_at > now:
        locked.save(update_fields=grant_moves.end(locked, now))
        GrantStep.objects.create(grant=locked, verb="seat_removed", by=by, at=now)
        bump_user(locked.user)
        closing.announce_expiry(grant=locked)
