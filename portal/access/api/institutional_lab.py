"""Institutional agreements for the lab's managers and their programs: offer, answer, pause, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions
from portal.access.api import institutional_shapes as shapes
from portal.access.api.grant_shapes import Reasoned, Told
from portal.access.api.institutional import LINKS, TAG, own
from portal.access.gate_models import Gate
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.views.institutional_lab import chosen, rows_of
from portal.access.views.staff import managing
from portal.api.operations import MANAGE, Operation, Scoped, Shape
from portal.people.models import User

SCOPES: Final = (MANAGE,)


def of_lab(user: User, pk: UUID) -> InstitutionalAgreement:
    """One of the labs that this person manages. Raises NotFound for every other."""
    found = rows_of(user).filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(_("There is no such agreement, or it belongs to another lab."))
    return found


def _either(request: Request, user: User, pk: UUID) -> InstitutionalAgreement:
    """One of one's labs or, by session, one that one signs for."""
    if request.auth is None and not rows_of(user).filter(pk=pk).exists():
        return own(user, pk)
    return of_lab(user, pk)


class Institutional(Scoped):
    """`/api/v1/institutional`."""

    @Operation(
        name="listInstitutional", tag=TAG, scopes=SCOPES, listed=True, asks=shapes.Filters,
        gives=shapes.InstitutionalRow,
        links={"getInstitutional": {"institutional": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[InstitutionalAgreement]:
        """List the institutional agreements of the labs that one manages, newest first."""
        return chosen(self.person(request), asked["show"], timezone.now()).order_by("-asked_at", "pk")

    @Operation(
        name="offerInstitutional", tag=TAG, scopes=SCOPES, takes=shapes.InstitutionalOffered,
        gives=shapes.InstitutionalWhole, status=201, problems=(404,), recent=True, links=LINKS,
        example={
            "gate": "lyceum-large", "address": "ingrid@northfield.example", "office": "vice-rector for research",
            "seats": 25, "days": 365,
        },
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> InstitutionalAgreement:
        """Offer an institution an agreement, without its having asked."""
        user = self.person(request)
        labs = managing(user)
        if not labs.exists():
            raise errors.NotFound(_("There is nothing here for people who manage no lab."))
        gate = Gate.objects.filter(lab__in=labs.values("lab"), slug=said.pop("gate")).select_related("lab").first()
        if gate is None:
            wrong = _("Choose a gate of a lab that you manage.")
            raise errors.Invalid(wrong, fields={"gate": [wrong]})
        return of_lab(user, actions.offer_institutional(by=user, gate=gate, **said).pk)


class InstitutionalDetail(Scoped):
    """`/api/v1/institutional/<institutional>`."""

    @Operation(
        name="getInstitutional", tag=TAG, scopes=SCOPES, gives=shapes.InstitutionalWhole, problems=(404,), links=LINKS
    )
    def get(self, request: Request, institutional: UUID) -> InstitutionalAgreement:
        """Read one of the labs that one manages or, by session, one that one signs for."""
        return _either(request, self.person(request), institutional)


class WithdrawInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/withdraw`."""

    @Operation(
        name="withdrawInstitutional", tag=TAG, scopes=SCOPES, gives=shapes.InstitutionalWhole, problems=(404,),
        links=LINKS,
    )  # fmt: skip
    def post(self, request: Request, institutional: UUID) -> InstitutionalAgreement:
        """Take back an offer that is not signed or, by session, what one has asked for."""
        user = self.person(request)
        actions.withdraw_institutional(by=user, agreement=_either(request, user, institutional))
        return _either(request, user, institutional)


def _decision(name: str, takes: Shape | None = None, example: dict[str, Any] | None = None) -> Operation:
    """What every verb of the lab has in common."""
    return Operation(
        name=name, tag=TAG, scopes=SCOPES, takes=takes, gives=shapes.InstitutionalWhole, problems=(404,), recent=True,
        example=example, links=LINKS,
    )  # fmt: skip


def _decided(user: User, pk: UUID, deed: Callable[..., object], **said: Any) -> InstitutionalAgreement:
    """Do one thing to an agreement of the labs that one manages, and read it again."""
    deed(by=user, agreement=of_lab(user, pk), **said)
    return of_lab(user, pk)


class ApproveInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/approve`."""

    @_decision("approveInstitutional", shapes.Terms, {"seats": 25, "days": 365})
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Offer what was asked for, with these seats and days. It begins with the official's signature."""
        return _decided(self.person(request), institutional, actions.approve_institutional, **said)


class DeclineInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/decline`."""

    @_decision("declineInstitutional", Told, {"message": "Please ask again with a data protection officer's word."})
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Say no, with words for the official, who may ask again."""
        return _decided(self.person(request), institutional, actions.decline_institutional, message=said["message"])


class SuspendInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/suspend`."""

    @_decision("suspendInstitutional", Reasoned, {"reason": "We look into a report about copies."})
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Pause every seat from the next request on, with a reason that the official reads."""
        return _decided(self.person(request), institutional, actions.suspend_institutional, reason=said["reason"])


class ResumeInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/resume`."""

    @_decision("resumeInstitutional")
    def post(self, request: Request, institutional: UUID) -> InstitutionalAgreement:
        """Let every seat go on, to the old end."""
        return _decided(self.person(request), institutional, actions.resume_institutional)


class NameOfficial(Scoped):
    """`/api/v1/institutional/<institutional>/official`."""

    @_decision(
        "nameOfficial", shapes.OfficialNamed, {"address": "sofia@northfield.example", "office": "dean of research"}
    )
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """Write down who signs for the institution from now on. What was signed stays signed, and seats go on."""
        return _decided(self.person(request), institutional, actions.name_official, **said)


class RevokeInstitutional(Scoped):
    """`/api/v1/institutional/<institutional>/revoke`."""

    @_decision("revokeInstitutional", Reasoned, {"reason": "The weights were passed on."})
    def post(self, request: Request, institutional: UUID, said: dict[str, Any]) -> InstitutionalAgreement:
        """End it for cause, and every seat with it. Cannot be undone."""
        return _decided(self.person(request), institutional, actions.revoke_institutional, reason=said["reason"])
