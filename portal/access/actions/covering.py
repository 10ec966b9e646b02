"""How an institutional agreement comes about, pauses and ends: asked for or offered, signed, kept, left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.access import conflicts
from portal.access.actions import grant_moves, institutional_moves
from portal.access.actions.gates import bump_gate
from portal.access.gate_models import Gate
from portal.access.institutional import (
    GRACE,
    MOST_DAYS,
    MOST_SEATS,
    ON_ROSTER,
    SIGNED,
    STANDING,
    YEAR,
    Line,
    Status,
    Verb,
)
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.lifetime_models import GrantStep
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.actions import require_manager
from portal.agreements.models import ChangeClass, Signature, Version
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import Affiliation, User
from portal.periods import began


@transaction.atomic
def ask_institutional(
    *, by: User, gate: Gate, office: str, purpose: str, seats: int, days: int
) -> InstitutionalAgreement:
    """A signing official asks the lab for seats behind a gate, for the institution where they have shown to work.

    Raises Conflict without that evidence or where one is asked for or runs already, Invalid field by field.
    """
    place = Affiliation.objects.verified().filter(user=by).select_related("institution").first()
    if place is None:
        raise Conflict(_("Show first that you work at an institution of the register."), code="no_evidence")
    said = _described(office, seats, days, purpose=purpose)
    made = _open(gate=gate, institution=place.institution, official=by, status=Status.ASKED, **said)
    institutional_moves.record(Event.INSTITUTIONAL_ASKED, made, by, seats=seats, days=days)
    institutional_moves.tell_managers(made, "institutional_asked")
    return made


@transaction.atomic
def offer_institutional(
    *, by: User, gate: Gate, address: str, office: str, seats: int, days: int
) -> InstitutionalAgreement:
    """A manager offers one to somebody who can sign for their institution, and has shown to work there.

    Raises NotFound to other labs, NotAllowed to whoever does not manage this one or has a conflict of interest, Conflict
    where one is asked for or runs already, Invalid field by field.
    """
    if not by.roles_in(gate.lab):
        raise NotFound(_("There is no such gate."))
    require_manager(by, gate.lab)
    official = official_at(address, by)
    place = Affiliation.objects.verified().filter(user=official).select_related("institution").get()
    require_independence(by, official)
    said = _described(office, seats, days)
    decided = {"decided_at": timezone.now(), "decided_by": by}
    made = _open(gate=gate, institution=place.institution, official=official, status=Status.OFFERED, **decided, **said)
    _offered(made, by)
    return made


def official_at(address: str, by: User) -> User:
    """Whoever signs in with this address and has shown to work at an institution. Raises Invalid."""
    found = User.objects.filter(email=address.strip().lower(), is_active=True).exclude(pk=by.pk).first()
    if found is None or not Affiliation.objects.verified().filter(user=found).exists():
        text = _(
            "Nobody with this account address has shown that they work at an institution of the register. "
            "Ask them to make an account and to verify their address there; then offer again."
        )
        raise Invalid(text, fields={"address": [text]})
    return found


def require_independence(by: User, official: User) -> None:
    """Raises NotAllowed where a conflict of interest stands between the manager and the official."""
    found = conflicts.between(by, official)
    if found:
        raise NotAllowed(
            _("Somebody else of the lab decides on this. %(why)s") % {"why": found[0].message},
            reasons=found,
            code="conflict_of_interest",
        )


def office_said(office: str) -> str:
    """What an official is there, in one line. Raises Invalid."""
    said = " ".join(office.split())
    if not 1 <= len(said) <= 120:
        wrong = _("Say in up to 120 characters what lets you sign, for instance: vice-rector for research.")
        raise Invalid(wrong, fields={"office": [wrong]})
    return said


def _described(office: str, seats: int, days: int, *, purpose: str | None = None) -> dict[str, Any]:
    problems: dict[str, list[str]] = {}
    said: dict[str, Any] = {"seats": seats, "days": days, "purpose": ""}
    try:
        said["office"] = office_said(office)
    except Invalid as error:
        problems |= error.fields
    if not 1 <= seats <= MOST_SEATS:
        problems["seats"] = [_("Choose 1 to %(most)s seats.") % {"most": _grouped(MOST_SEATS)}]
    if not 1 <= days <= MOST_DAYS:
        problems["days"] = [_("Choose 1 to %(most)s days.") % {"most": _grouped(MOST_DAYS)}]
    if purpose is not None:
        try:
            said["purpose"] = grant_moves.said(purpose, "purpose", _("Say in a few sentences what it is for."))
        except Invalid as error:
            problems |= error.fields
    if problems:
        raise Invalid(_("Some answers need another look."), fields=problems)
    return said


def _open(**row: Any) -> InstitutionalAgreement:
    """A new row; one whose period is over makes room. Raises Conflict where another is asked for or runs."""
    now = timezone.now()
    past = InstitutionalAgreement.objects.filter(institution=row["institution"], gate=row["gate"], ends_at__lte=now)
    past.filter(status__in=STANDING).update(status=Status.ENDED)
    try:
        with transaction.atomic():
            return InstitutionalAgreement.objects.create(asked_at=now, capabilities=row["gate"].capabilities, **row)
    except IntegrityError:
        raise Conflict(
            _("%(institution)s has an agreement here already, or asks for one.") % {"institution": row["institution"]},
            code="already_open",
        ) from None


def _grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


def _offered(agreement: InstitutionalAgreement, by: User) -> None:
    facts = {"seats": agreement.seats, "days": agreement.days, "official": str(agreement.official_id)}
    institutional_moves.record(Event.INSTITUTIONAL_OFFERED, agreement, by, **facts)
    institutional_moves.tell_official(agreement, "institutional_offered")


@transaction.atomic
def approve_institutional(
    *, by: User, agreement: InstitutionalAgreement, seats: int, days: int
) -> InstitutionalAgreement:
    """Offer what was asked for, with these seats and days; it waits for the official's signature."""
    locked = institutional_moves.lock(agreement)
    status = institutional_moves.check(locked, Verb.APPROVE, by)
    require_independence(by, locked.official)
    said = _described(locked.office, seats, days)
    locked.status, locked.seats, locked.days = status, said["seats"], said["days"]
    locked.decided_at, locked.decided_by = timezone.now(), by
    locked.save(update_fields=["status", "seats", "days", "decided_at", "decided_by"])
    _offered(locked, by)
    return locked


@transaction.atomic
def decline_institutional(*, by: User, agreement: InstitutionalAgreement, message: str) -> InstitutionalAgreement:
    """Say no, with words for the official, who may ask again."""
    locked = institutional_moves.lock(agreement)
    status = institutional_moves.check(locked, Verb.DECLINE, by)
    require_independence(by, locked.official)
    locked.message = grant_moves.said(message, "message", _("Tell the official why, in a sentence or two."))
    locked.status, locked.decided_at, locked.decided_by = status, timezone.now(), by
    locked.save(update_fields=["status", "message", "decided_at", "decided_by"])
    institutional_moves.record(Event.INSTITUTIONAL_DECLINED, locked, by)
    institutional_moves.tell_official(locked, "institutional_declined")
    return locked


@transaction.atomic
def withdraw_institutional(*, by: User, agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """Take back what was asked for, or an offer that is not signed."""
    locked = institutional_moves.lock(agreement)
    locked.status = institutional_moves.check(locked, Verb.WITHDRAW, by)
    locked.save(update_fields=["status"])
    institutional_moves.record(Event.INSTITUTIONAL_WITHDRAWN, locked, by)
    return locked


@transaction.atomic
def sign_institutional(
    *, by: User, agreement: InstitutionalAgreement, typed_name: str, text_sha256: str
) -> InstitutionalAgreement:
    """The official signs the agreement's present text for the institution. The first signature begins the period.

    Raises Conflict without fresh evidence that the official works there, when the text has changed, or is signed.
    """
    locked = institutional_moves.lock(agreement)
    status = institutional_moves.check(locked, Verb.SIGN, by)
    institutional_moves.evidence(by, locked)
    version = locked.gate.agreement.current()
    if version is None:
        raise Conflict(_("The agreement has no published text yet."), code="no_text")
    if locked.signature and locked.signature.version_id == version.pk:
        raise Conflict(_("You have signed this text for the institution."), code="already_signed")
    if locked.status not in SIGNED:
        _begin(locked, timezone.now())
    locked.status = status
    locked.signature = _signature(locked, by, version, typed_name, text_sha256)
    locked.save()
    facts = {"receipt": str(locked.signature.receipt_id), "until": locked.ends_at, "seats": locked.seats}
    institutional_moves.record(Event.INSTITUTIONAL_SIGNED, locked, by, **facts)
    bump_gate(locked.gate)
    receipt = {"receipt": locked.signature.reference, "until": sending.moment(locked.ends_at)}
    institutional_moves.tell(locked, "institutional_signed", by, locked.signature.get_absolute_url(), **receipt)
    institutional_moves.tell_managers(locked, "institutional_in_force", until=sending.moment(locked.ends_at))
    return locked


def call_officials(version: Version) -> int:
    """Ask each official under the agreement, once, to sign a new text; inside the transaction that publishes it."""
    if version.change_class == ChangeClass.EDITORIAL:
        return 0
    rows = InstitutionalAgreement.objects.filter(gate__agreement=version.agreement, status__in=STANDING)
    running = list(rows.filter(ends_at__gt=timezone.now()).select_related(*institutional_moves.RELATED))
    for each in running:
        path = reverse("access:sign_institutional", args=[each.pk])
        institutional_moves.tell_official(
            each, "institutional_to_sign", path, until=sending.moment(version.grace_ends_at)
        )
    return len(running)


def _begin(agreement: InstitutionalAgreement, now: datetime) -> None:
    agreement.starts_at, agreement.ends_at = now, now + timedelta(days=agreement.days)
    agreement.attest_by, agreement.lapses_at = now + YEAR, now + YEAR + GRACE


def _signature(
    agreement: InstitutionalAgreement, by: User, version: Version, typed_name: str, text_sha256: str
) -> Signature:
    until = agreement.ends_at.isoformat(timespec="seconds") if agreement.ends_at else ""
    return agreements.sign(
        by=by,
        version=version,
        typed_name=typed_name,
        capacity=f"signing official of {agreement.institution.name[:150]}, {agreement.office}",
        text_sha256=text_sha256,
        particulars={"gate": agreement.gate.title, **agreement.facts(), "seats": agreement.seats, "until": until},
    )


@transaction.atomic
def suspend_institutional(*, by: User, agreement: InstitutionalAgreement, reason: str) -> InstitutionalAgreement:
    """Pause every seat from the next request on, until it is resumed."""
    return _pause(by, agreement, Verb.SUSPEND, Event.INSTITUTIONAL_SUSPENDED, "institutional_suspended", _why(reason))


@transaction.atomic
def resume_institutional(*, by: User, agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """Let every seat go on, to the old end."""
    return _pause(by, agreement, Verb.RESUME, Event.INSTITUTIONAL_RESUMED, "institutional_resumed", "")


def _pause(
    by: User, agreement: InstitutionalAgreement, verb: Verb, event: Event, template: str, message: str
) -> InstitutionalAgreement:
    locked = institutional_moves.lock(agreement)
    locked.status, locked.message = institutional_moves.check(locked, verb, by), message
    locked.save(update_fields=["status", "message"])
    institutional_moves.record(event, locked, by)
    bump_gate(locked.gate)
    institutional_moves.tell_official(locked, template)
    return locked


@transaction.atomic
def revoke_institutional(*, by: User, agreement: InstitutionalAgreement, reason: str) -> InstitutionalAgreement:
    """The lab ends it for cause, and every seat with it, from the next request on. Cannot be undone."""
    locked = _close(by, agreement, Verb.REVOKE, Event.INSTITUTIONAL_REVOKED, _why(reason))
    institutional_moves.tell_official(locked, "institutional_revoked")
    return locked


@transaction.atomic
def end_institutional(*, by: User, agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """The official ends it, and every seat with it. Cannot be undone; the institution may ask for a new one."""
    locked = _close(by, agreement, Verb.END, Event.INSTITUTIONAL_ENDED, "")
    institutional_moves.tell_managers(locked, "institutional_ended")
    return locked


def _why(reason: str) -> str:
    return grant_moves.said(reason, "reason", _("Say why; the official reads it."))


def _close(
    by: User, agreement: InstitutionalAgreement, verb: Verb, event: Event, message: str
) -> InstitutionalAgreement:
    """End it now, all of it in one transaction; the schedule writes to every holder within the hour."""
    locked, now = institutional_moves.lock(agreement), timezone.now()
    locked.status, locked.message = institutional_moves.check(locked, verb, by), message
    locked.save(update_fields=["status", "message", *grant_moves.end(locked, now)])
    running = Grant.objects.filter(institutional=locked, revoked_at=None, ends_at__gt=now)
    steps = [
        GrantStep(grant_id=pk, verb="institution_ended", by=by, at=now) for pk in running.values_list("pk", flat=True)
    ]
    GrantStep.objects.bulk_create(steps, batch_size=2_000)
    running.filter(starts_at__gte=now).update(starts_at=began(None, now))
    running.update(ends_at=now)
    locked.roster.filter(status__in=ON_ROSTER).update(status=Line.REMOVED, since=now, digest=None, expires_at=None)
    institutional_moves.record(event, locked, by, grants=len(steps))
    bump_gate(locked.gate)
    return locked
