"""Institutional agreements: what the signing official says, in person; and whoever would hold a seat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, roster
from portal.access.actions import seating
from portal.access.actions.institutional_moves import RELATED
from portal.access.api import institutional_shapes as shapes
from portal.access.api.applying import gate_of
from portal.access.api.grant_shapes import GrantWhole
from portal.access.institutional import Status
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.access.models import Grant
from portal.api.operations import IN_PERSON, Operation, Scoped, Shape
from portal.people.models import User

TAG: Final = "institutional"
LINKS: Final = {
    name: {"institutional": "$response.body#/id"}
    for name in ("getInstitutional", "signInstitutional", "inviteToRoster", "listRoster")
}


def own(user: User, pk: UUID) -> InstitutionalAgreement:
    """One that this person signs for. Raises NotFound for every other."""
    rows = InstitutionalAgreement.objects.select_related(*RELATED)
    found = rows.filter(pk=pk, official=user).first()
    if found is None:
        raise errors.NotFound(_("There is no such agreement, or you are not its official."))
    return found


class MyInstitutional(Scoped):
    """`/api/v1/me/institutional`."""

    @Operation(
        name="listMyInstitutional", tag=TAG, scopes=IN_PERSON, listed=True, gives=shapes.InstitutionalRow,
        links={"getInstitutional": {"institutional": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[InstitutionalAgreement]:
        """List the institutional agreements that one signs for, newest first."""
        rows = InstitutionalAgreement.objects.filter(official=self.person(request))
        return rows.select_related(*RELATED).order_by("-asked_at", "pk")


def _said(
    name: str,
    takes: Shape | None = None,
    example: dict[str, Any] | None = None,
    *,
    status: int = 200,
    recent: bool = False,
) -> Operation:
    """What everything that an official says has in common."""
    return Operation(
        name=name, tag=TAG, scopes=IN_PERSON, takes=takes, gives=shapes.InstitutionalWhole, status=status,
        problems=(404,), recent=recent, example=example, links=LINKS,
    )  # fmt: skip


class AskInstitutional(Scoped):
    """`/api/v1/gates/<gate>/institutional`."""

    @_said(
        "askInstitutional", shapes.InstitutionalAsked,
        {"office": "vice-rector for research", "purpose": "Dissertations.", "seats": 25, "days": 365}, status=201,
    )  # fmt: skip
    def post(self, request: Request, gate: str, said: dict[str, Any]) -> InstitutionalAgreement:
        """Ask for seats behind a gate, for the institution where one has shown to work."""
        user = self.person(request)
        made = actions.ask_institutional(by=user, gate=gate_of(gate), **said)
        return own(user, made.pk)


def _done(user: User, pk: UUID, deed: Callable[..., object], **said: Any) -> InstitutionalAgreement:
    """Do one thing to an agreement that one signs for, and read it again."""
    deed(by=user, agreement=own(user, pk), **said)
    return own(user, pk)


class SignInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/sign`."""

    @_said(
        "signInstitutional", shapes.NameSigned, {"typed_name": "Ingrid Solberg", "text_sha256": "0" * 64}, recent=True
    )
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Sign the present text for the institution, which is bound from then on."""
        return _done(self.person(request), institutional, actions.sign_institutional, **said)


class AttestRoster(Scoped):
    """`/api/v1/institutional/<institutional>/attest`."""

    @_said("attestRoster", shapes.RosterSeen, {"version": 7}, recent=True)
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Confirm that everybody with a seat works at the institution."""
        return _done(self.person(request), institutional, actions.attest_roster, expected=said["version"])


class EndInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/end`."""

    @_said("endInstitutional", recent=True)
    def post(self, request: Request, institutional: UUID) -> InstitutionalAgreement:
        """End it for the institution, and every seat with it. Cannot be undone."""
        return _done(self.person(request), institutional, actions.end_institutional)


class Roster(Scoped):
    """`/api/v1/institutional/<institutional>/roster`."""

    @Operation(
        name="listRoster", tag=TAG, scopes=IN_PERSON, listed=True, asks=shapes.RosterFilters, gives=shapes.LineShape,
    )  # fmt: skip
    def get(self, request: Request, institutional: UUID, asked: dict[str, Any]) -> QuerySet[RosterLine]:
        """List the people of an agreement that one signs for."""
        found = own(self.person(request), institutional)
        return roster.on_roster(found, q=asked["q"], gone=asked["gone"])

    @Operation(
        name="inviteToRoster", tag=TAG, scopes=IN_PERSON, takes=shapes.Invited, gives=shapes.InvitedShape,
        problems=(404,), example={"addresses": ["jonas@northfield.example"]},
        links={"removeFromRoster": {
            "institutional": "$request.path.institutional", "line": "$response.body#/invited/0/id",
        }},
    )  # fmt: skip
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> dict[str, Any]:
        """Invite people to seats by mail. A refusal of one stops none of the others."""
        user = self.person(request)
        invited, refused = actions.invite_to_roster(
            by=user, agreement=own(user, institutional), text="\n".join(said["addresses"])
        )
        return {"invited": invited, "refused": refused}


def _on_line(name: str) -> Operation:
    return Operation(name=name, tag=TAG, scopes=IN_PERSON, gives=shapes.LineShape, problems=(404,))


def _on_roster(user: User, institutional: UUID, pk: int, deed: Callable[..., RosterLine]) -> RosterLine:
    """Do one thing to a line of the roster of an agreement that one signs for."""
    found = own(user, institutional).roster.select_related("user").filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(_("There is no such line on the roster."))
    return deed(by=user, line=found)


class AdmitToSeat(Scoped):
    """`/api/v1/institutional/<institutional>/roster/<line>/admit`."""

    @_on_line("admitToSeat")
    def post(self, request: Request, institutional: UUID, line: int) -> RosterLine:
        """Say yes to somebody who asks for a seat: they get an invitation."""
        return _on_roster(self.person(request), institutional, line, actions.admit)


class RefuseSeat(Scoped):
    """`/api/v1/institutional/<institutional>/roster/<line>/refuse`."""

    @_on_line("refuseSeat")
    def post(self, request: Request, institutional: UUID, line: int) -> RosterLine:
        """Say no to somebody who asks for a seat."""
        return _on_roster(self.person(request), institutional, line, actions.refuse_seat)


class InviteAgain(Scoped):
    """`/api/v1/institutional/<institutional>/roster/<line>/invite-again`."""

    @_on_line("inviteAgain")
    def post(self, request: Request, institutional: UUID, line: int) -> RosterLine:
        """Send an invitation once more, with a new link."""
        return _on_roster(self.person(request), institutional, line, actions.invite_again)


class RemoveFromRoster(Scoped):
    """`/api/v1/institutional/<institutional>/roster/<line>/remove`."""

    @_on_line("removeFromRoster")
    def post(self, request: Request, institutional: UUID, line: int) -> RosterLine:
        """Take an invitation back, or end a seat: its access ends at once, and the seat is free."""
        return _on_roster(self.person(request), institutional, line, actions.remove_from_roster)


class JoinInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/join`."""

    @Operation(name="askForSeat", tag=TAG, scopes=IN_PERSON, gives=shapes.LineShape, status=201, problems=(404,))
    def post(self, request: Request, institutional: UUID) -> RosterLine:
        """Ask the official of one's own institution for a seat."""
        found = InstitutionalAgreement.objects.select_related(*RELATED).filter(pk=institutional).first()
        if found is None or found.state() != Status.IN_FORCE:
            raise errors.NotFound(_("There is no such agreement, or it has ended."))
        return actions.ask_to_join(by=self.person(request), agreement=found)


class Seat(Scoped):
    """`/api/v1/institutional/invitations/<secret>`."""

    @Operation(name="getSeatInvitation", tag=TAG, scopes=IN_PERSON, gives=shapes.SeatInvitation, problems=(404,))
    def get(self, request: Request, secret: str) -> RosterLine:
        """Read an invitation to a seat that went to an address of one's own."""
        line = actions.seat_invitation(by=self.person(request), secret=secret)
        line.undertaking = seating.undertaking(line.agreement)  # type: ignore[attr-defined]
        return line


class AcceptSeat(Scoped):
    """`/api/v1/institutional/invitations/<secret>/accept`."""

    @Operation(
        name="acceptSeat", tag=TAG, scopes=IN_PERSON, takes=shapes.NameSigned, gives=GrantWhole, status=201,
        problems=(404,), recent=True, example={"typed_name": "Jonas Weber", "text_sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, secret: str, said: dict[str, Any]) -> Grant:
        """Accept the undertaking, which takes a seat. Access begins with it."""
        return actions.accept_seat(by=self.person(request), secret=secret, **said)


class DeclineSeat(Scoped):
    """`/api/v1/institutional/invitations/<secret>/decline`."""

    @Operation(name="declineSeat", tag=TAG, scopes=IN_PERSON, status=204, problems=(404,))
    def post(self, request: Request, secret: str) -> None:
        """Say no to a seat. The official sees it on the roster."""
        actions.decline_seat(by=self.person(request), secret=secret)
