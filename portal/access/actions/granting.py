"""How a grant begins, pauses and ends. The applicant's signature begins it; a release manager ends it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.actions import admitting, grant_moves, institutional_moves, moves, renewing
from portal.access.application_models import Application
from portal.access.lifetime import GrantVerb, grant_verbs
from portal.access.lifetime_models import GrantStep
from portal.access.models import Grant
from portal.access.workflow import Verb
from portal.agreements import actions as agreements
from portal.agreements.models import Signature, Version
from portal.audit.events import Event
from portal.errors import Conflict, NotFound
from portal.mail import sending
from portal.people.actions import bump_user
from portal.people.models import User
from portal.projects.actions import open_project


@transaction.atomic
def sign(
    *,
    by: User,
    application: Application,
    typed_name: str,
    capacity: str,
    text_sha256: str,
    expected: int | None = None,
) -> Grant:
    """Sign the agreement of an approved application; the signature opens the project and the grant, from this minute.

    `text_sha256` is of the text on the page that was read. Raises Conflict when the text has changed since.
    """
    locked = moves.lock(application, expected=expected)
    moves.check(locked, Verb.SIGN, by)
    grant_moves.hold_for_new(by, locked.gate)
    version = _current(locked)
    if Grant.objects.standing().filter(user=by, gate=locked.gate).exists():
        raise Conflict(_("You hold access here already."), code="already_granted")
    grant_moves.require_not_taken(by, locked.gate, decided=locked.decided_at)
    grant = _open(locked, by)
    # Who goes on under a new grant may keep the copies of the one that ran out.
    Grant.objects.filter(user=by, gate=locked.gate, revoked_at=None, closed_out_at=None).update(deletion_due_at=None)
    particulars = {"gate": locked.gate.title, "application": locked.reference, **grant.facts()}
    signature = agreements.sign(
        by=by,
        version=version,
        typed_name=typed_name,
        capacity=capacity,
        text_sha256=text_sha256,
        application=str(locked.pk),
        particulars=particulars,
    )
    moves.advance(locked, Verb.SIGN, by, grant=str(grant.pk), receipt=str(signature.receipt_id), until=grant.ends_at)
    bump_user(by)
    _receipt(locked, grant, signature)
    admitting.admit_team(locked, grant)
    return grant


def _current(application: Application) -> Version:
    version = application.gate.agreement.current()
    if version is None:
        raise Conflict(_("The agreement has no published text yet."), code="no_text")
    return version


def _open(application: Application, by: User) -> Grant:
    gate, now = application.gate, timezone.now()
    title = str(application.answers.get("title") or gate.title)[:160]
    project = open_project(by=by, owner=by, title=title, lab=gate.lab)
    return Grant.objects.create(
        project=project,
        user=by,
        gate=gate,
        application=application,
        capabilities=application.capabilities,
        starts_at=now,
        ends_at=now + timedelta(days=gate.grant_days),
    )


def _receipt(application: Application, grant: Grant, signature: Signature) -> None:
    path = signature.get_absolute_url()
    until = sending.moment(grant.ends_at)
    moves.write(application.applicant, "grant_active", application, path, until=until, receipt=signature.reference)


@transaction.atomic
def sign_again(*, by: User, grant: Grant, typed_name: str, capacity: str, text_sha256: str) -> Signature:
    """Sign the present text of the agreement under a standing grant: access goes on, or comes back at once.

    Raises NotFound to anybody but the holder, Conflict where the grant has ended (`grant_ended`) or that text was signed
    (`already_signed`), and what `agreements.sign` raises.
    """
    locked = grant_moves.lock(grant)
    if locked.user_id != by.pk:
        raise NotFound(_("There is no such grant."))
    version = locked.gate.agreement.current()
    if GrantVerb.SIGN_AGAIN not in grant_verbs(locked.state(), grant_moves.parties(locked, by)) or version is None:
        raise Conflict(_("This grant has ended. Apply again."), code="grant_ended")
    if Signature.objects.filter(user=by, version=version).exists():
        raise Conflict(_("You have signed this text."), code="already_signed")
    particulars = {"gate": locked.gate.title, **locked.facts()}
    signature = agreements.sign(
        by=by,
        version=version,
        typed_name=typed_name,
        capacity=capacity,
        text_sha256=text_sha256,
        application=str(locked.application_id or ""),
        particulars=particulars,
    )
    bump_user(by)
    GrantStep.objects.create(grant=locked, verb=GrantVerb.SIGN_AGAIN, by=by, at=signature.signed_at)
    grant_moves.tell(locked, "agreement_signed_again", signature.get_absolute_url(), receipt=signature.reference)
    return signature


@transaction.atomic
def revoke_grant(*, by: User, grant: Grant, reason: str) -> Grant:
    """End a grant for cause, from the next request on. Cannot be undone; the person may apply again.

    Where it opened downloads, the holder has the gate's `deletion_days` to attest that every copy is deleted.
    """
    locked = grant_moves.lock(grant)
    grant_moves.check(locked, GrantVerb.REVOKE, by)
    locked.revoked_at, locked.revoked_by, locked.revoked_reason = timezone.now(), by, _reason(reason)
    grant_moves.ask_for_deletion(locked, locked.revoked_at)
    locked.save(update_fields=["revoked_at", "revoked_by", "revoked_reason", "deletion_due_at"])
    renewing.lapse(locked)
    admitting.end_team(locked, by)
    institutional_moves.vacate(locked)
    _changed(locked, by, Event.GRANT_REVOKED, GrantVerb.REVOKE, deletion_due=locked.deletion_due_at)
    return locked


@transaction.atomic
def suspend_grant(*, by: User, grant: Grant, reason: str) -> Grant:
    """Pause a grant from the next request on, until it is resumed."""
    locked = grant_moves.lock(grant)
    grant_moves.check(locked, GrantVerb.SUSPEND, by)
    locked.suspended_at, locked.suspended_by, locked.suspended_reason = timezone.now(), by, _reason(reason)
    locked.save(update_fields=["suspended_at", "suspended_by", "suspended_reason"])
    _changed(locked, by, Event.GRANT_SUSPENDED, GrantVerb.SUSPEND)
    admitting.changed(locked)
    return locked


@transaction.atomic
def resume_grant(*, by: User, grant: Grant) -> Grant:
    """Let a suspended grant run on, to its old end."""
    locked = grant_moves.lock(grant)
    grant_moves.check(locked, GrantVerb.RESUME, by)
    locked.suspended_at, locked.suspended_by, locked.suspended_reason = None, None, ""
    locked.save(update_fields=["suspended_at", "suspended_by", "suspended_reason"])
    _changed(locked, by, Event.GRANT_RESUMED, GrantVerb.RESUME)
    admitting.changed(locked)
    return locked


def _reason(text: str) -> str:
    return grant_moves.said(text, "reason", _("Say why; the holder reads it."))


_TEMPLATES: Final = {
    GrantVerb.REVOKE: "grant_revoked",
    GrantVerb.SUSPEND: "grant_suspended",
    GrantVerb.RESUME: "grant_resumed",
}


def _changed(grant: Grant, by: User, event: Event, verb: GrantVerb, **dates: datetime | None) -> None:
    reason = {GrantVerb.REVOKE: grant.revoked_reason, GrantVerb.SUSPEND: grant.suspended_reason}.get(verb, "")
    grant_moves.record(grant, event, verb, by, message=reason, **{name: at or "" for name, at in dates.items()})
    bump_user(grant.user)
    told: dict[str, Any] = {name: sending.moment(at) for name, at in dates.items()}
    grant_moves.tell(grant, _TEMPLATES[verb], grant.get_absolute_url(), **told)
