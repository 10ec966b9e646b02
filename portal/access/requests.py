"""Access requests as the Hugging Face Hub knows them: one for each person and gate, pending, accepted or rejected.

What another system calls accept, reject or cancel is done by our own actions, under our own table: an approval is one
reviewer's vote, only a signature begins access, and what was decided is not undone. Where the two differ the Outcome
says so instead of pretending.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.access import actions
from portal.access.application_models import STAFF, Application, ApplicationQuerySet, Decline
from portal.access.gate_models import Gate
from portal.access.review_models import Review, Vote
from portal.access.workflow import QUEUED, Status
from portal.errors import Conflict, NotAllowed, NotFound
from portal.people.models import Membership, User

REVIEW: Final = "review"
MANAGE: Final = "manage"


class Stage(StrEnum):
    """Where a request stands, in the Hub's words."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the request stands after a verb, and what the caller must know about it, in one line."""

    stage: Stage
    message: str = ""


def require_staff(user: User, gate: Gate, scopes: Collection[str]) -> None:
    """Raise NotAllowed unless the person is staff of the gate's lab and the token may act as such."""
    if not Membership.objects.active().filter(user=user, lab=gate.lab_id, role__in=STAFF).exists():
        raise NotAllowed("Only the lab's reviewers and managers see its access requests.")
    _need(scopes, REVIEW, MANAGE)


def listed(gate: Gate, stage: Stage, *, asker: User) -> ApplicationQuerySet:
    """The requests at this stage, newest first: of each person the last that was sent, never the asker's own."""
    later = Application.objects.filter(gate=OuterRef("gate"), applicant=OuterRef("applicant"))
    later = later.filter(submitted_at__gt=OuterRef("submitted_at"))
    rows = Application.objects.filter(_at(stage), ~Exists(later), gate=gate, submitted_at__isnull=False)
    return (
        rows.exclude(applicant=asker)
        .select_related("gate", "applicant", "decided_by", "grant")
        .order_by("-submitted_at", "-number")
    )


def find(gate: Gate, *, email: str = "", user_id: str = "", request_id: str = "") -> Application:
    """The request of a person, named by address or id, or of this id. Raises NotFound."""
    by = {"applicant__email__iexact": email, "applicant": _uuid(user_id), "pk": _uuid(request_id)}
    named = {name: value for name, value in by.items() if value}
    rows = Application.objects.filter(gate=gate, submitted_at__isnull=False, **named)
    found = rows.select_related("gate__lab", "applicant", "grant").order_by("-submitted_at").first() if named else None
    if found is None:
        raise NotFound("There is no access request of this person. Access here begins with an application.")
    return found


def stage_of(application: Application) -> Stage | None:
    """Where it stands; None when it was withdrawn, lapsed, or its grant has ended or was closed out."""
    grant = getattr(application, "grant", None)
    if application.status in QUEUED or application.status == Status.CHANGES_REQUESTED:
        return Stage.PENDING
    if application.status == Status.APPROVED:
        return Stage.ACCEPTED
    if application.status == Status.DECLINED:
        return Stage.REJECTED
    if application.status != Status.GRANTED or grant is None:
        return None
    return {"active": Stage.ACCEPTED, "suspended": Stage.PENDING, "revoked": Stage.REJECTED}.get(grant.state())


def accept(*, by: User, scopes: Collection[str], application: Application) -> Outcome:
    """One vote to approve; or, where access was cancelled before, let the grant run on.

    Raises NotFound where it is accepted already, which is what clients take for “nothing to do”; so do the next two.
    """
    if stage_of(application) == Stage.ACCEPTED:
        raise NotFound("This request is accepted already.")
    if application.status == Status.GRANTED and stage_of(application) == Stage.PENDING:
        _need(scopes, MANAGE)
        actions.resume_grant(by=by, grant=application.grant)
        return Outcome(Stage.ACCEPTED)
    _need(scopes, REVIEW)
    voted = actions.cast_vote(by=by, application=application, vote=Vote.APPROVE)
    if voted.status == Status.APPROVED:
        return Outcome(Stage.ACCEPTED, "Approved. Access begins when the applicant has signed the agreement.")
    cast = Review.objects.filter(application=voted, round=voted.rounds, vote=Vote.APPROVE).count()
    return Outcome(
        Stage.PENDING,
        f"Your approval is recorded: {cast} of {voted.quorum}. The request stays pending until others approve it too.",
    )


def reject(*, by: User, scopes: Collection[str], application: Application, reason: str) -> Outcome:
    """Decline what waits; revoke what was granted. Either needs words for the applicant."""
    if stage_of(application) == Stage.REJECTED:
        raise NotFound("This request is rejected already.")
    if application.status == Status.GRANTED:
        return _revoke(by, scopes, application, reason)
    _need(scopes, REVIEW)
    if application.status == Status.APPEALED:
        actions.uphold(by=by, application=application, message=reason)
        return Outcome(Stage.REJECTED)
    actions.decline(by=by, application=application, reason=Decline.OTHER, message=reason)
    return Outcome(Stage.REJECTED)


def cancel(*, by: User, scopes: Collection[str], application: Application) -> Outcome:
    """Take access away, so that it can be given back: the grant is suspended, and the request is pending again.

    Raises Conflict (`decided`) where it was declined or ended, or is not signed.
    """
    stage = stage_of(application)
    if stage == Stage.PENDING:
        raise NotFound("This request is pending already.")
    if application.status != Status.GRANTED or stage != Stage.ACCEPTED:
        raise Conflict("A decision stands here. The applicant may apply again.", code="decided")
    _need(scopes, MANAGE)
    actions.suspend_grant(by=by, grant=application.grant, reason="Access was cancelled through the Hub's API.")
    return Outcome(Stage.PENDING, "The grant is suspended. Accepting the request resumes it.")


def reset(*, by: User, scopes: Collection[str], application: Application, reason: str) -> Outcome:
    """End access for good, so that a new request is needed.

    Raises Conflict (`not_granted`) where there is none.
    """
    if application.status != Status.GRANTED:
        raise Conflict("There is no access to reset. Decline what waits.", code="not_granted")
    return _revoke(by, scopes, application, reason or "Access was reset: apply again.")


def _revoke(by: User, scopes: Collection[str], application: Application, reason: str) -> Outcome:
    _need(scopes, MANAGE)
    actions.revoke_grant(by=by, grant=application.grant, reason=reason)
    return Outcome(Stage.REJECTED, "The grant is revoked. The person may apply again.")


def _at(stage: Stage) -> Q:
    """What stage_of() says, as a condition."""
    granted = Q(status=Status.GRANTED, grant__closed_out_at=None)
    standing = granted & Q(grant__revoked_at=None, grant__ends_at__gt=timezone.now())
    return {
        Stage.PENDING: Q(status__in=[*QUEUED, Status.CHANGES_REQUESTED]) | standing & ~Q(grant__suspended_at=None),
        Stage.ACCEPTED: Q(status=Status.APPROVED) | standing & Q(grant__suspended_at=None),
        Stage.REJECTED: Q(status=Status.DECLINED) | granted & Q(grant__revoked_at__isnull=False),
    }[stage]


def _need(scopes: Collection[str], *any_of: str) -> None:
    if not set(any_of) & set(scopes):
        wanted = " or ".join(f"“{scope}”" for scope in any_of)
        raise NotAllowed(f"This token lacks the scope {wanted}.", code="insufficient_scope")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
