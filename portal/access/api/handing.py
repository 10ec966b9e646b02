"""Handing a project over: the lead's offer, and the answer of the member to whom it was made. By session alone."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.access import actions
from portal.access.actions import handing
from portal.access.api import shapes
from portal.access.api.applying import led
from portal.access.api.named_shapes import TextShape
from portal.access.handover_models import Handover
from portal.access.handovers import HandoverStatus
from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, Operation, Scoped
from portal.errors import NotFound

TAG: Final = "teams"


class Offered(Taken):
    """To whom a project is offered."""

    member = serializers.IntegerField(min_value=1, help_text="The id of a member of the team who holds access.")


class HandoverShape(serializers.Serializer[Any]):
    """An offer to hand a project over."""

    id = serializers.UUIDField()
    application = serializers.UUIDField(source="application_id")
    member = serializers.IntegerField(source="member_id")
    status = Choice(choices=[each.value for each in HandoverStatus])
    offered_at = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="When it can be answered no more.")
    closed_at = serializers.DateTimeField(allow_null=True)


class OfferShape(HandoverShape):
    """The same as the member reads it who answers."""

    lead = serializers.CharField(source="grant.user.get_full_name", help_text="Who offers it, and leaves.")
    project = serializers.CharField(source="grant.project.title")
    gate = serializers.CharField(source="application.gate.full_name", help_text="`lab/gate`.")
    ends_at = serializers.DateTimeField(source="member.grant.ends_at", help_text="When access ends, as before.")
    agreement = TextShape(source="application.gate.agreement.current", allow_null=True, help_text="What one signs.")


class OfferHandover(Scoped):
    """`/api/v1/applications/<application>/handover`."""

    @Operation(
        name="offerHandover", tag=TAG, scopes=IN_PERSON, takes=Offered, gives=HandoverShape, status=201,
        problems=(404,), example={"member": 7},
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Handover:
        """Offer the project to a member of the team, who has 14 days to answer. Nothing changes until they accept."""
        user = self.person(request)
        found = led(user, application)
        member = found.members.filter(pk=said["member"]).first()
        if member is None:
            raise NotFound(_("There is nobody of that number on this team."))
        return actions.offer_handover(by=user, application=found, member=member)


class WithdrawHandover(Scoped):
    """`/api/v1/applications/<application>/handover/withdraw`."""

    @Operation(name="withdrawHandover", tag=TAG, scopes=IN_PERSON, gives=HandoverShape, problems=(404,))
    def post(self, request: Request, application: UUID) -> Handover:
        """Take the open offer back."""
        user = self.person(request)
        return actions.withdraw_handover(by=user, application=led(user, application))


class OneHandover(Scoped):
    """`/api/v1/handovers/<handover>`."""

    @Operation(name="getHandover", tag=TAG, scopes=IN_PERSON, gives=OfferShape, problems=(404,))
    def get(self, request: Request, handover: UUID) -> Handover:
        """Read an offer that one can answer: who leaves, which project, and the text that one would sign."""
        return handing.offered_to(self.person(request), Handover.objects.filter(pk=handover).first())


class AcceptHandover(Scoped):
    """`/api/v1/handovers/<handover>/accept`."""

    @Operation(
        name="acceptHandover", tag=TAG, scopes=IN_PERSON, takes=shapes.Signed, gives=shapes.Receipt, status=201,
        problems=(404,), recent=True,
        example={"typed_name": "Jonas Weber", "capacity": "for myself", "text_sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, handover: UUID, said: dict[str, Any]) -> Any:  # noqa: ANN401 a Signature
        """Sign the agreement as the project's lead. Who led it before leaves with it."""
        user = self.person(request)
        found = handing.offered_to(user, Handover.objects.filter(pk=handover).first())
        return actions.accept_handover(by=user, handover=found, **said).signature


class DeclineHandover(Scoped):
    """`/api/v1/handovers/<handover>/decline`."""

    @Operation(name="declineHandover", tag=TAG, scopes=IN_PERSON, gives=HandoverShape, problems=(404,))
    def post(self, request: Request, handover: UUID) -> Handover:
        """Say no; everything stays as it is."""
        user = self.person(request)
        found = handing.offered_to(user, Handover.objects.filter(pk=handover).first())
        return actions.decline_handover(by=user, handover=found)
