"""Allocation requests for programs: a lab's queue and its decisions by token; asking and withdrawing in person."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from inference import allocation_actions as actions
from inference.allocation import Ground, Status
from inference.allocation_actions import MOST_A_MINUTE, MOST_TOKENS
from inference.allocation_models import TEXT_LIMIT, AllocationRequest
from inference.allocation_views import RELATED, of_labs, project_of, request_of
from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, STAFF, Operation, Scoped
from portal.errors import NotFound

TAG: Final = "usage"


class AllocationShape(serializers.Serializer[Any]):
    """A project's request for more query time."""

    id = serializers.UUIDField()
    project = serializers.UUIDField(source="project_id")
    title = serializers.CharField(source="project.title")
    asked_by = serializers.UUIDField(source="asked_by_id")
    status = Choice(choices=list(Status))
    tokens_per_period = serializers.IntegerField(help_text="Asked for, in all until the last day.")
    tokens_per_minute = serializers.IntegerField(allow_null=True, help_text="Asked for; null: as it was.")
    until = serializers.DateField(help_text="The last day, UTC.")
    case = serializers.CharField()
    published = serializers.CharField(allow_blank=True)
    sent_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    ground = serializers.CharField(allow_blank=True, help_text="Why it was declined.")
    message = serializers.CharField(allow_blank=True)
    granted_tokens_per_period = serializers.IntegerField(
        source="allowance.tokens_per_period", default=None, allow_null=True
    )
    granted_until = serializers.DateTimeField(source="allowance.ends_at", default=None, allow_null=True)


class _Figures(Taken):
    tokens_per_period = serializers.IntegerField(min_value=1, max_value=MOST_TOKENS)
    tokens_per_minute = serializers.IntegerField(
        min_value=1, max_value=MOST_A_MINUTE, required=False, allow_null=True, default=None
    )
    until = serializers.DateField(help_text="The last day, UTC; at most two years ahead.")


class AllocationAsked(_Figures):
    """What a lead asks; without tokens a minute these stay as they are."""

    case = serializers.CharField(max_length=TEXT_LIMIT)
    published = serializers.CharField(max_length=TEXT_LIMIT, required=False, allow_blank=True, default="")


class AllocationGranted(_Figures):
    """What the lab gives, every figure of it; null does not limit."""

    tokens_per_day = serializers.IntegerField(
        min_value=1, max_value=MOST_TOKENS, required=False, allow_null=True, default=None
    )
    message = serializers.CharField(max_length=TEXT_LIMIT, required=False, allow_blank=True, default="")


class AllocationDeclined(Taken):
    """Why not; “other” needs words."""

    ground = Choice(choices=list(Ground))
    message = serializers.CharField(max_length=TEXT_LIMIT, required=False, allow_blank=True, default="")


class AllocationsAsked(Taken):
    """Which requests."""

    status = Choice(choices=list(Status), required=False, default=Status.SUBMITTED)


class OfProject(Scoped):
    """`/api/v1/projects/<project>/allocation-requests`."""

    @Operation(name="listProjectAllocations", tag=TAG, scopes=STAFF, listed=True, gives=AllocationShape)
    def get(self, request: Request, project: UUID, asked: dict[str, Any]) -> Any:  # noqa: ANN401 a QuerySet
        """List what a project asked for and was given, newest first; its members do so by session."""
        found, _acting = project_of(self.person(request), project)
        return AllocationRequest.objects.filter(project=found).select_related(*RELATED)

    @Operation(
        name="askForAllocation", tag=TAG, scopes=IN_PERSON, takes=AllocationAsked, gives=AllocationShape, status=201,
        problems=(404,),
        example={"tokens_per_period": 50_000_000, "until": "2027-05-31", "case": "Six evaluations of four models."},
    )  # fmt: skip
    def post(self, request: Request, project: UUID, said: dict[str, Any]) -> AllocationRequest:
        """Ask for more query time, as the lead of the project. One request waits at a time."""
        user = self.person(request)
        found, _acting = project_of(user, project)
        return actions.ask_for_allocation(by=user, project=found, **said)


class Queue(Scoped):
    """`/api/v1/allocation-requests`."""

    @Operation(name="listAllocations", tag=TAG, scopes=STAFF, listed=True, asks=AllocationsAsked, gives=AllocationShape)
    def get(self, request: Request, asked: dict[str, Any]) -> Any:  # noqa: ANN401 a QuerySet
        """List the requests of the projects of one's labs, the oldest first; those that wait, if nothing else is asked."""
        user = self.person(request)
        if not user.roles:
            raise NotFound(_("There is nothing at this address."))
        return of_labs(user).filter(status=asked["status"]).order_by("sent_at")


class One(Scoped):
    """`/api/v1/allocation-requests/<request>`."""

    @Operation(name="getAllocation", tag=TAG, scopes=STAFF, gives=AllocationShape, problems=(404,))
    def get(self, request: Request, pk: UUID) -> AllocationRequest:
        """Read one request; members of its project do so by session."""
        return request_of(self.person(request), pk)[0]


class Grant(Scoped):
    """`/api/v1/allocation-requests/<request>/grant`."""

    @Operation(
        name="grantAllocation", tag=TAG, scopes=STAFF, takes=AllocationGranted, gives=AllocationShape, problems=(404,),
        example={"tokens_per_period": 20_000_000, "tokens_per_minute": 60_000, "until": "2027-05-31"},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID, said: dict[str, Any]) -> AllocationRequest:
        """Give the project a new allowance, as asked or otherwise. It holds from the next request on."""
        user = self.person(request)
        return actions.grant_allocation(by=user, request=request_of(user, pk)[0], **said)


class Decline(Scoped):
    """`/api/v1/allocation-requests/<request>/decline`."""

    @Operation(
        name="declineAllocation", tag=TAG, scopes=STAFF, takes=AllocationDeclined, gives=AllocationShape,
        problems=(404,), example={"ground": "capacity"},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID, said: dict[str, Any]) -> AllocationRequest:
        """Leave the allowance as it is, and say why."""
        user = self.person(request)
        return actions.decline_allocation(by=user, request=request_of(user, pk)[0], **said)


class Withdraw(Scoped):
    """`/api/v1/allocation-requests/<request>/withdraw`."""

    @Operation(name="withdrawAllocation", tag=TAG, scopes=IN_PERSON, gives=AllocationShape, problems=(404,))
    def post(self, request: Request, pk: UUID) -> AllocationRequest:
        """Take a request back while it waits."""
        user = self.person(request)
        return actions.withdraw_allocation(by=user, request=request_of(user, pk)[0])
