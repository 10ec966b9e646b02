"""Use for programs: the sums of the pages, of one's own use and of the projects of a lab."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from inference import energy, figures, usage
from inference.figures import MOST_DAYS, WAYS, WAYS_OF_LABS, Asked, Period
from portal.api.fields import Choice, Taken
from portal.api.operations import STAFF, Listed, Operation, Scoped
from portal.errors import Invalid, NotFound
from portal.people.models import Lab
from portal.projects.models import Project
from portal.tokens.scopes import Scope

TAG: Final = "usage"
_BEFORE: Final = timedelta(days=29)


class SumsAsked(Taken):
    """Which sums; without days, those of the last 30."""

    by = Choice(choices=list(WAYS), required=False, default="day")
    first = serializers.DateField(required=False, help_text="Day in UTC.")
    last = serializers.DateField(required=False, help_text="Day in UTC, included; else today.")
    project = serializers.UUIDField(required=False, help_text="One project; else all.")


class LabSumsAsked(SumsAsked):
    """Which sums of a lab's projects; who of a project used it is not told."""

    by = Choice(choices=list(WAYS_OF_LABS), required=False, default="day")


class UseShape(serializers.Serializer[Any]):
    """One sum."""

    key = serializers.CharField(help_text="The day or hour (UTC), the model, or the id of the person or project.")
    requests = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField(help_text="Of the prompt's.")
    tokens = serializers.IntegerField(help_text="Prompt and completion: what counts against an allowance.")


class EnergyAsked(Taken):
    """Of which days; without them, the last 30."""

    first = serializers.DateField(required=False, help_text="Day in UTC.")
    last = serializers.DateField(required=False, help_text="Day in UTC, included; else today.")
    project = serializers.UUIDField(required=False, help_text="One project; else all.")


class EstimateShape(serializers.Serializer[Any]):
    """One pool's share. Null where its operator entered no figures."""

    pool = serializers.CharField()
    tokens = serializers.IntegerField()
    kwh = serializers.FloatField(allow_null=True, help_text="Kilowatt-hours.")
    grams_co2e = serializers.FloatField(allow_null=True, help_text="Grams of CO₂ equivalent.")
    joules_per_prompt_token = serializers.FloatField(allow_null=True, help_text="Of those not cached.")
    joules_per_completion_token = serializers.FloatField(allow_null=True)
    overhead = serializers.FloatField(allow_null=True, help_text="PUE.")
    grams_per_kwh = serializers.IntegerField(allow_null=True)
    figures_from = serializers.CharField(help_text="Their source, as the operator says it.")


class Mine(Scoped):
    """`/api/v1/usage`."""

    @Operation(name="sumUsage", tag=TAG, scopes=(Scope.QUERY,), listed=True, asks=SumsAsked, gives=UseShape)
    def get(self, request: Request, asked: dict[str, Any]) -> Listed:
        """Sum one's own use, and that of everybody in the projects that one leads, by day, hour, model, person or project.

        The newest first, or the most tokens. The figures of the usage page, from the same sums.
        """
        user = self.person(request)
        known = usage.projects_of(user)
        return _sums(asked, figures.of_person(user), known)


class Energy(Scoped):
    """`/api/v1/usage/energy`."""

    @Operation(
        name="estimateEnergy", tag=TAG, scopes=(Scope.QUERY,), listed=True, asks=EnergyAsked, gives=EstimateShape
    )
    def get(self, request: Request, asked: dict[str, Any]) -> Listed:
        """Estimate energy and emissions of one's use, by the pool that answered, from what its operator says of it.

        Operation of the machines with their building's share; making them, training, networks and idling are outside.
        """
        user = self.person(request)
        whose = _whose(asked, figures.of_person(user), usage.projects_of(user))
        return Listed(energy.of_period(Asked(whose, _period(asked))), _estimated)


def _estimated(each: energy.Estimate) -> dict[str, Any]:
    told = each.figures
    return {
        "pool": each.pool,
        "tokens": each.tokens,
        "kwh": each.kwh,
        "grams_co2e": each.grams,
        "joules_per_prompt_token": told.prompt_j if told else None,
        "joules_per_completion_token": told.completion_j if told else None,
        "overhead": told.overhead if told else None,
        "grams_per_kwh": told.grams_per_kwh if told else None,
        "figures_from": told.source if told else "",
    }


class OfLab(Scoped):
    """`/api/v1/labs/<lab>/usage`."""

    @Operation(
        name="sumLabUsage", tag=TAG, scopes=STAFF, listed=True, asks=LabSumsAsked, gives=UseShape, problems=(404,)
    )
    def get(self, request: Request, lab: str, asked: dict[str, Any]) -> Listed:
        """Sum what the projects of one's lab used, by day, hour, model or project."""
        found = Lab.objects.filter(slug=lab).first()
        if found is None or not self.person(request).roles_in(found):
            raise NotFound(_("There is no such lab."))
        return _sums(asked, figures.of_labs([found]), Project.objects.filter(lab=found))


def _sums(asked: dict[str, Any], whose: Q, known: Any) -> Listed:  # noqa: ANN401 a QuerySet of projects
    return Listed(Asked(_whose(asked, whose, known), _period(asked)).by(asked["by"]), figures.line)


def _whose(asked: dict[str, Any], whose: Q, known: Any) -> Q:  # noqa: ANN401 a QuerySet of projects
    chosen: UUID | None = asked.get("project")
    if chosen is None:
        return whose
    project = known.filter(pk=chosen).first()
    if project is None:
        raise NotFound(_("There is no such project, or it is not yours."))
    return whose & figures.of_project(project)


def _period(asked: dict[str, Any]) -> Period:
    last = asked.get("last") or timezone.now().date()
    first = asked.get("first") or max(last, date.min + _BEFORE) - _BEFORE
    if first > last:
        raise Invalid(_("This is not a period."), fields={"first": [_("The last day comes before the first.")]})
    if (last - first).days >= MOST_DAYS:
        raise Invalid(
            _("This is not a period."), fields={"first": [_("Ask for %(most)s days at most.") % {"most": MOST_DAYS}]}
        )
    return Period(first, last)
