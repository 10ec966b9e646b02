"""Teams: the lead's verbs, and the invited person's answer. Said in person, or with the secret of the mailed link."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions
from portal.access.actions import teaming
from portal.access.api import named_shapes, shapes
from portal.access.api.applying import led
from portal.access.member_models import Member
from portal.api.operations import IN_PERSON, Operation, Scoped
from portal.people.models import User

TAG: Final = "teams"
_MEMBER: Final = {"application": "$request.path.application", "member": "$response.body#/id"}
LINKS: Final = dict.fromkeys(("remindMember", "removeMember"), _MEMBER)


class Team(Scoped):
    """`/api/v1/applications/<application>/team`."""

    @Operation(name="listTeam", tag=TAG, scopes=IN_PERSON, listed=True, gives=named_shapes.MemberShape)
    def get(self, request: Request, application: UUID, asked: dict[str, Any]) -> QuerySet[Member]:
        """List whom one has named for one's team, and what they answered."""
        return led(self.person(request), application).members.order_by("invited_at", "id")

    @Operation(
        name="inviteMember", tag=TAG, scopes=IN_PERSON, takes=named_shapes.Named, gives=named_shapes.MemberShape,
        status=201, problems=(404,), links=LINKS,
        example={"name": "Jonas Weber", "email": "jonas@northfield.example"},
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Member:
        """Name a member. They are asked by mail, and answer for themselves."""
        user = self.person(request)
        return actions.invite(by=user, application=led(user, application), **said)


def _member(user: User, application: UUID, pk: int) -> Member:
    found = led(user, application).members.filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(_("There is nobody of that number on this team."))
    return found


def _verb(name: str) -> Operation:
    return Operation(name=name, tag=TAG, scopes=IN_PERSON, gives=named_shapes.MemberShape, problems=(404,))


class RemindMember(Scoped):
    """`/api/v1/applications/<application>/team/<member>/remind`."""

    @_verb("remindMember")
    def post(self, request: Request, application: UUID, member: int) -> Member:
        """Mail a new link; the one before works no longer. Three times at most, a day apart."""
        user = self.person(request)
        return actions.remind_member(by=user, member=_member(user, application, member))


class RemoveMember(Scoped):
    """`/api/v1/applications/<application>/team/<member>/remove`."""

    @_verb("removeMember")
    def post(self, request: Request, application: UUID, member: int) -> Member:
        """Take an invitation back, or somebody off the team: access ends with the next request."""
        user = self.person(request)
        return actions.remove_member(by=user, member=_member(user, application, member))


class Invitation(Scoped):
    """`/api/v1/invitations/<secret>`."""

    @Operation(name="getInvitation", tag=TAG, scopes=None, gives=named_shapes.InvitationShape, problems=(404,))
    def get(self, request: Request, secret: str) -> Member:
        """Read who invites, to what, and the text that one would sign. The secret is in the mailed link."""
        return teaming.of_secret(secret)


class AcceptInvitation(Scoped):
    """`/api/v1/invitations/<secret>/accept`."""

    @Operation(
        name="acceptInvitation", tag=TAG, scopes=IN_PERSON, takes=shapes.Signed, gives=shapes.Receipt, status=201,
        problems=(404,), recent=True,
        example={"typed_name": "Jonas Weber", "capacity": "for myself", "text_sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, secret: str, said: dict[str, Any]) -> Any:  # noqa: ANN401 a Signature
        """Sign the agreement in one's own name, in the account of the address that was invited.

        Access begins now, or with the lead's signature.
        """
        return actions.accept_invitation(by=self.person(request), secret=secret, **said).signature


class DeclineInvitation(Scoped):
    """`/api/v1/invitations/<secret>/decline`."""

    @Operation(name="declineInvitation", tag=TAG, scopes=None, status=204, problems=(404,))
    def post(self, request: Request, secret: str) -> None:
        """Say no. No account is needed; one is not asked twice."""
        actions.decline_invitation(secret=secret)
