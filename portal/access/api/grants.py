"""Grants: the lab's verbs by scope, the holder's own by session alone.

What a holder says about a grant (a report, an attestation, a signature) is said in person: no token speaks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions
from portal.access.api import grant_shapes, shapes
from portal.access.grant_list import Chosen, rows_of
from portal.access.models import Grant, GrantQuerySet
from portal.agreements.models import Signature
from portal.api.operations import IN_PERSON, MANAGE, REVIEW, Operation, Scoped, Shape
from portal.people.models import User

TAG: Final = "grants"
LINKS: Final = {
    verb: {"grant": "$response.body#/id"} for verb in ("getGrant", "suspendGrant", "resumeGrant", "revokeGrant")
}


class Grants(Scoped):
    """`/api/v1/grants`."""

    @Operation(
        name="listGrants", tag=TAG, scopes=(MANAGE,), listed=True, asks=grant_shapes.GrantFilters, gives=grant_shapes.GrantRow,
        links={"getGrant": {"grant": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> GrantQuerySet:
        """List the grants of one's labs, newest first.

        The filters are those of the page; without any, every state is shown.
        """
        chosen = Chosen.read({name: str(value) for name, value in asked.items()})
        return chosen.apply(rows_of(self.person(request)), timezone.now())


class GrantDetail(Scoped):
    """`/api/v1/grants/<grant>`."""

    @Operation(name="getGrant", tag=TAG, scopes=(MANAGE,), gives=grant_shapes.GrantWhole, problems=(404,), links=LINKS)
    def get(self, request: Request, grant: UUID) -> Grant:
        """Read one grant of one's labs or, by session, one's own."""
        return found_grant(self.person(request), grant, own=request.auth is None)


def found_grant(user: User, pk: UUID, *, own: bool) -> Grant:
    """A grant of one's labs, or with `own` one that one holds. Raises NotFound for every other."""
    rows = Grant.objects.select_related("gate__lab", "user").prefetch_related("renewals").filter(pk=pk)
    found = rows.filter(pk__in=Grant.objects.for_staff(user).values("pk")).first()
    if found is None and own:
        found = rows.filter(user=user).first()
    if found is None:
        raise errors.NotFound(_("There is no such grant, or it belongs to another lab."))
    return found


def _verb(
    name: str, scopes: tuple[str, ...], takes: Shape | None = None, example: dict[str, Any] | None = None
) -> Operation:
    """What every verb of a grant has in common."""
    return Operation(
        name=name, tag=TAG, scopes=scopes, takes=takes, gives=grant_shapes.GrantWhole, problems=(404,), example=example,
        links=LINKS,
    )  # fmt: skip


def _done(user: User, pk: UUID, deed: Callable[..., object], *, own: bool = False, **said: Any) -> Grant:
    """Do one thing to a grant, and read it again."""
    deed(by=user, grant=found_grant(user, pk, own=own), **said)
    return found_grant(user, pk, own=own)


class Suspend(Scoped):
    """`/api/v1/grants/<grant>/suspend`."""

    @_verb("suspendGrant", (MANAGE,), grant_shapes.Reasoned, {"reason": "We look into a report about copies."})
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Grant:
        """Pause a grant, with a reason that its holder reads."""
        return _done(self.person(request), grant, actions.suspend_grant, reason=said["reason"])


class Resume(Scoped):
    """`/api/v1/grants/<grant>/resume`."""

    @_verb("resumeGrant", (MANAGE,))
    def post(self, request: Request, grant: UUID) -> Grant:
        """Let a suspended grant run on."""
        return _done(self.person(request), grant, actions.resume_grant)


class Revoke(Scoped):
    """`/api/v1/grants/<grant>/revoke`."""

    @_verb("revokeGrant", (MANAGE,), grant_shapes.Reasoned, {"reason": "The weights were passed on."})
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Grant:
        """End a grant for good, with a reason that its holder reads."""
        return _done(self.person(request), grant, actions.revoke_grant, reason=said["reason"])


class ApproveRenewal(Scoped):
    """`/api/v1/grants/<grant>/approve-renewal`."""

    @_verb("approveRenewal", (REVIEW,))
    def post(self, request: Request, grant: UUID) -> Grant:
        """Grant the renewal that waits: the end moves by one period of the gate."""
        return _done(self.person(request), grant, actions.approve_renewal)


class DeclineRenewal(Scoped):
    """`/api/v1/grants/<grant>/decline-renewal`."""

    @_verb("declineRenewal", (REVIEW,), grant_shapes.Told, {"message": "Please apply again with the new plan."})
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Grant:
        """Let the grant run out at its old end, with words for the holder."""
        return _done(self.person(request), grant, actions.decline_renewal, message=said["message"])


class Renew(Scoped):
    """`/api/v1/grants/<grant>/renew`."""

    @_verb("renewGrant", IN_PERSON, grant_shapes.Renewed, {"report": {"use_summary": "Two papers and a thesis."}})
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Grant:
        """Ask to go on, from 60 days before the end; without a report nothing has changed."""
        return _done(self.person(request), grant, actions.renew, own=True, report=said["report"])


class WithdrawRenewal(Scoped):
    """`/api/v1/grants/<grant>/withdraw-renewal`."""

    @_verb("withdrawRenewal", IN_PERSON)
    def post(self, request: Request, grant: UUID) -> Grant:
        """Take a renewal back while it waits."""
        return _done(self.person(request), grant, actions.withdraw_renewal, own=True)


class CloseOut(Scoped):
    """`/api/v1/grants/<grant>/close-out`."""

    @_verb(
        "closeOutGrant", IN_PERSON, grant_shapes.Attested,
        {"typed_name": "Mara Lindqvist", "statement": "Every copy is deleted.", "deleted_on": "2026-11-25"},
    )  # fmt: skip
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Grant:
        """Attest that every copy is deleted. A running grant ends with it, for good."""
        return _done(self.person(request), grant, actions.close_out, own=True, **said)


class SignAgain(Scoped):
    """`/api/v1/grants/<grant>/sign`."""

    @Operation(
        name="signAgain", tag=TAG, scopes=IN_PERSON, takes=shapes.Signed, gives=shapes.Receipt, status=201,
        problems=(404,), recent=True,
        example={"typed_name": "Mara Lindqvist", "capacity": "for myself", "text_sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, grant: UUID, said: dict[str, Any]) -> Signature:
        """Sign the present text of the agreement under a grant that one holds."""
        user = self.person(request)
        return actions.sign_again(by=user, grant=found_grant(user, grant, own=True), **said)
