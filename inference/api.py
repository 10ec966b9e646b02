"""What projects of a lab may use, of everything and of one model, and by default, for the lab's programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from inference.actions import set_allowance
from inference.allowances import Budget, default, end_of, of_lab, of_project
from inference.contract import CLASSES, Limits
from portal.agreements.actions import require_manager
from portal.api.fields import Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.people.models import Lab
from portal.projects.models import Project
from releases.api_names import model_seen
from releases.models import Model

TAG: Final = "grants"
_CLASS: Final = "The highest class that its requests may wait in where a pool is full."


class FiguresShape(serializers.Serializer[Any]):
    """What may be used; null does not limit."""

    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    concurrency = serializers.IntegerField(allow_null=True, help_text="Requests at a time.")
    tokens_per_day = serializers.IntegerField(allow_null=True)


class ModelAllowanceShape(FiguresShape):
    """What a project may use of one model, beside what holds for everything; null does not limit."""

    tokens_per_period = serializers.IntegerField(
        allow_null=True, help_text="Tokens in all, counted from when this figure was set."
    )
    until = serializers.DateField(allow_null=True, help_text="The last day on which it holds, in UTC; null: for good.")


class AllowanceShape(ModelAllowanceShape):
    """What a project may use; null does not limit."""

    top_class = serializers.ChoiceField(CLASSES, help_text=_CLASS)


class LabAllowanceShape(FiguresShape):
    """What each project of a lab may use that has no allowance of its own; null does not limit."""

    tokens_per_period = serializers.IntegerField(allow_null=True, help_text="Tokens in a month, in UTC.")
    top_class = serializers.ChoiceField(CLASSES, help_text=_CLASS)


class FiguresSet(Taken):
    """What may be used, every figure of it; null does not limit."""

    requests_per_minute = serializers.IntegerField(allow_null=True, min_value=1, max_value=2**31 - 1)
    tokens_per_minute = serializers.IntegerField(allow_null=True, min_value=1, max_value=2**31 - 1)
    concurrency = serializers.IntegerField(allow_null=True, min_value=1, max_value=10_000)
    tokens_per_day = serializers.IntegerField(allow_null=True, min_value=1, max_value=10**15)
    tokens_per_period = serializers.IntegerField(allow_null=True, min_value=1, max_value=10**15)


class ModelAllowanceSet(FiguresSet):
    """What a project may use of one model, every figure of it. Where all are null, nothing limits it on its own."""

    until = serializers.DateField(
        allow_null=True, required=False,
        help_text="The last day on which it holds, in UTC; null: for good. Left out, it stays as it is.",
    )  # fmt: skip


class AllowanceSet(ModelAllowanceSet):
    """What a project may use, every figure of it; null does not limit."""

    top_class = serializers.ChoiceField(CLASSES, required=False, help_text="Left out, it stays as it is.")


class LabAllowanceSet(FiguresSet):
    """What each project of a lab may use that has no allowance of its own, every figure of it; null does not limit."""

    top_class = serializers.ChoiceField(CLASSES, required=False, help_text="Left out, it stays as it is.")


def _shape(project: Project, lab: Lab) -> dict[str, Any]:
    budget = Budget.of(project, timezone.now())
    return {**asdict(budget.whole([lab])), "until": budget.last_day(), "top_class": budget.top_class([lab])}


class ProjectAllowance(Scoped):
    """`/api/v1/projects/<project>/allowance`."""

    @Operation(name="getAllowance", tag=TAG, scopes=(MANAGE,), gives=AllowanceShape, problems=(404,))
    def get(self, request: Request, project: UUID) -> dict[str, Any]:
        """Read what a project of one's lab may use."""
        found, lab = of_project(self.person(request), project)
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
        found, lab = of_project(user, project)
        require_manager(user, lab)
        top_class = said.pop("top_class", None)
        day = said.pop("until") if "until" in said else Budget.of(found, timezone.now()).last_day()
        ends_at = end_of(day) if day else None
        set_allowance(by=user, project=found, limits=Limits(**said), ends_at=ends_at, top_class=top_class)
        return _shape(found, lab)


class ModelAllowance(Scoped):
    """`/api/v1/projects/<project>/allowance/<lab>/<name>`."""

    @Operation(name="getModelAllowance", tag=TAG, scopes=(MANAGE,), gives=ModelAllowanceShape, problems=(404,))
    def get(self, request: Request, project: UUID, lab: str, name: str) -> dict[str, Any]:
        """Read what a project of one's lab may use of one model, beside what holds for everything."""
        user = self.person(request)
        found, _lab = of_project(user, project)
        return _of_model(found, model_seen(lab, name, person=user))

    @Operation(
        name="setModelAllowance", tag=TAG, scopes=(MANAGE,), takes=ModelAllowanceSet, gives=ModelAllowanceShape,
        problems=(404,),
        example={
            "requests_per_minute": None, "tokens_per_minute": None, "concurrency": 1, "tokens_per_day": 100_000,
            "tokens_per_period": None,
        },
    )  # fmt: skip
    def put(self, request: Request, project: UUID, lab: str, name: str, said: dict[str, Any]) -> dict[str, Any]:
        """Set what a project may use of one model, from the next request on. Where all is null, the limit is lifted."""
        user = self.person(request)
        found, managed = of_project(user, project)
        require_manager(user, managed)
        model = model_seen(lab, name, person=user)
        day = said.pop("until") if "until" in said else _of_model(found, model)["until"]
        set_allowance(by=user, project=found, model=model, limits=Limits(**said), ends_at=end_of(day) if day else None)
        return _of_model(found, model)


def _of_model(project: Project, model: Model) -> dict[str, Any]:
    limits, until = Budget.of(project, timezone.now()).of_model(model.pk)
    return {**asdict(limits), "until": until}


class LabAllowance(Scoped):
    """`/api/v1/labs/<lab>/allowance`."""

    @Operation(name="getLabAllowance", tag=TAG, scopes=(MANAGE,), gives=LabAllowanceShape, problems=(404,))
    def get(self, request: Request, lab: str) -> dict[str, Any]:
        """Read what each project may use that has no allowance of its own, everybody's personal one included."""
        return _default(of_lab(self.person(request), lab))

    @Operation(
        name="setLabAllowance", tag=TAG, scopes=(MANAGE,), takes=LabAllowanceSet, gives=LabAllowanceShape, problems=(404,),
        example={
            "requests_per_minute": 60, "tokens_per_minute": 60_000, "concurrency": 8, "tokens_per_day": 200_000,
            "tokens_per_period": 2_000_000,
        },
    )  # fmt: skip
    def put(self, request: Request, lab: str, said: dict[str, Any]) -> dict[str, Any]:
        """Set what each project may use that has no allowance of its own, from the next request on."""
        user = self.person(request)
        found = of_lab(user, lab)
        require_manager(user, found)
        top_class = said.pop("top_class", None)
        set_allowance(by=user, lab=found, limits=Limits(**said), top_class=top_class)
        return _default(found)


def _default(lab: Lab) -> dict[str, Any]:
    limits, top_class = default(lab, timezone.now())
    return {**asdict(limits), "top_class": top_class}
