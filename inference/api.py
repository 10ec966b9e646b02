"""The allowance of a project, for the lab's programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from inference.actions import set_allowance
from inference.allowances import Budget, end_of
from inference.contract import CLASSES, Limits
from portal.agreements.actions import require_manager
from portal.api.fields import Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import Lab, User
from portal.projects.models import Project

TAG: Final = "grants"


class AllowanceShape(serializers.Serializer[Any]):
    """What a project may use; null does not limit."""

    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    concurrency = serializers.IntegerField(allow_null=True, help_text="Requests at a time.")
    tokens_per_day = serializers.IntegerField(allow_null=True)
    tokens_per_period = serializers.IntegerField(
        allow_null=True, help_text="Tokens in all, counted from when this figure was set."
    )
    until = serializers.DateField(allow_null=True, help_text="The last day on which it holds, in UTC; null: for good.")
    top_class = serializers.ChoiceField(
        CLASSES, help_text="The highest class that its requests may wait in where a pool is full."
    )


class AllowanceSet(Taken):
    """What a project may use, every figure of it; null does not limit."""

    requests_per_minute = serializers.IntegerField(allow_null=True, min_value=1, max_value=2**31 - 1)
    tokens_per_minute = serializers.IntegerField(allow_null=True, min_value=1, max_value=2**31 - 1)
    concurrency = serializers.IntegerField(allow_null=True, min_value=1, max_value=10_000)
    tokens_per_day = serializers.IntegerField(allow_null=True, min_value=1, max_value=10**15)
    tokens_per_period = serializers.IntegerField(allow_null=True, min_value=1, max_value=10**15)
    until = serializers.DateField(
        allow_null=True, required=False,
        help_text="The last day on which it holds, in UTC; null: for good. Left out, it stays as it is.",
    )  # fmt: skip
    top_class = serializers.ChoiceField(CLASSES, required=False, help_text="Left out, it stays as it is.")


def _found(user: User, pk: UUID) -> tuple[Project, Lab]:
    project = Project.objects.filter(pk=pk, lab__isnull=False).select_related("lab").first()
    if project is None or project.lab is None or not user.roles_in(project.lab):
        raise NotFound(_("There is no such project, or it belongs to another lab."))
    return project, project.lab


def _shape(project: Project, lab: Lab) -> dict[str, Any]:
    budget = Budget.of(project, timezone.now())
    return {**asdict(budget.whole([lab])), "until": budget.last_day(), "top_class": budget.top_class([lab])}


class ProjectAllowance(Scoped):
    """`/api/v1/projects/<project>/allowance`."""

    @Operation(name="getAllowance", tag=TAG, scopes=(MANAGE,), gives=AllowanceShape, problems=(404,))
    def get(self, request: Request, project: UUID) -> dict[str, Any]:
        """Read what a project of one's lab may use."""
        found, lab = _found(self.person(request), project)
        return _shape(found, lab)

    @Operation(
        name="setAllowance", tag=TAG, scopes=(MANAGE,), takes=AllowanceSet, gives=AllowanceShape, problems=(404,),
        example={
            "requests_per_minute": 60, "tokens_per_minute": None, "concurrency": 4, "tokens_per_day": 2_000_000,
            "tokens_per_period": None,
        },
    )  # fmt: skip
    def put(self, request: Request, project: UUID, said: dict[str, Any]) -> dict[str, Any]:
        """Set what a project may use, from the next request on. The figures that it replaces end now."""
        user = self.person(request)
        found, lab = _found(user, project)
        require_manager(user, lab)
        top_class = said.pop("top_class", None)
        day = said.pop("until") if "until" in said else Budget.of(found, timezone.now()).last_day()
        ends_at = end_of(day) if day else None
        set_allowance(by=user, project=found, limits=Limits(**said), ends_at=ends_at, top_class=top_class)
        return _shape(found, lab)
