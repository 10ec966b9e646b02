"""The calculators for programs; the same answers as at their pages' addresses."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import Operation, Scoped
from releases.api_names import model_seen
from releases.costs import answers, hardware, inputs, memory, subjects
from releases.costs.subjects import Subject

TAG: Final = "costs"
_KINDS: Final = list(memory.KINDS)


def _asked(
    name: str, numbers: tuple[inputs.Number, ...], **choices: serializers.Field[Any, Any, Any, Any]
) -> type[Taken]:
    fields = {number.name: number.parameter() for number in numbers}
    return type(
        name,
        (Taken,),
        {**choices, **fields, "__doc__": "What the calculator is asked; left out: what the page begins with."},
    )


RunningAsked = _asked(
    "RunningCostAsked", inputs.RUNNING, accelerator=Choice(choices=list(hardware.accelerators()), required=False),
    weights=Choice(choices=_KINDS, required=False), cache=Choice(choices=_KINDS, required=False),
)  # fmt: skip
TrainingAsked = _asked("TrainingCostAsked", inputs.TRAINING, recomputed=Choice(choices=["yes", "no"], required=False))


class QuantityShape(serializers.Serializer[Any]):
    """A number in its base unit, with the arithmetic that made it; `of` holds the same of each number in it."""

    key = serializers.CharField(help_text="For programs: it never changes.")
    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.FloatField()
    unit = serializers.CharField(allow_blank=True)
    arithmetic = serializers.CharField(allow_blank=True)
    source = serializers.JSONField(  # type: ignore[assignment]
        allow_null=True, help_text="Title and address; null for what was computed."
    )
    note = serializers.CharField(allow_blank=True)
    of = serializers.JSONField()


class SplitCondition(serializers.Serializer[Any]):
    """One thing that a split needs."""

    label = serializers.CharField()  # type: ignore[assignment]
    arithmetic = serializers.CharField()
    met = serializers.BooleanField()
    note = serializers.CharField(allow_blank=True)


class MeasuredShape(serializers.Serializer[Any]):
    """What the newest requests of the model's pool came to."""

    pool = serializers.CharField()
    engine = serializers.CharField(allow_blank=True)
    requests = serializers.IntegerField()
    since = serializers.DateTimeField()
    each = serializers.FloatField(help_text="Tokens a second of one answer.")
    rate = serializers.FloatField(help_text="Tokens a second of all answers, while there were any.")
    at_once = serializers.FloatField()


class RunningCostShape(serializers.Serializer[Any]):
    """What a model costs to run."""

    model = serializers.CharField()
    permalink = serializers.CharField()
    inputs = serializers.JSONField(help_text="Everything that was asked, or taken in its place.")
    fits = serializers.BooleanField()
    splits = serializers.BooleanField()
    conditions = SplitCondition(many=True)
    weights = QuantityShape()
    cache_per_token = QuantityShape()
    cache_per_sequence = QuantityShape()
    needed = QuantityShape()
    usable = QuantityShape()
    spare = QuantityShape()
    floor = QuantityShape()
    step = QuantityShape()
    prefill = QuantityShape()
    range = serializers.JSONField(help_text="Speed, price, energy and emissions at the slow and the fast end.")
    carbon_per_query_by_grid = QuantityShape(many=True)
    measured = MeasuredShape(allow_null=True)


class TrainingCostShape(serializers.Serializer[Any]):
    """What a training cost; what is left out cannot be reckoned from what is told."""

    model = serializers.CharField()
    permalink = serializers.CharField()
    inputs = serializers.JSONField(help_text="Everything that was asked, or taken in its place.")
    flop = QuantityShape()
    state = QuantityShape()
    hours = QuantityShape(required=False)
    days = QuantityShape(required=False)
    energy = QuantityShape(required=False)
    carbon = QuantityShape(required=False)
    dollars = QuantityShape(required=False)


_Running: Final = partial(Operation, tag=TAG, scopes=None, asks=RunningAsked, gives=RunningCostShape)
_Training: Final = partial(Operation, tag=TAG, scopes=None, asks=TrainingAsked, gives=TrainingCostShape)
"""Asked of a model and of a size of an entry alike; only a model can lack the config that it takes (409)."""


class RunningCost(Scoped):
    """`/api/v1/models/<lab>/<name>/cost`."""

    @_Running(name="estimateRunningCost", problems=(404, 409))
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Estimate whether a published model fits on a machine, how fast it is, and what that costs."""
        return answers.running_cost(_model(lab, name), asked, base=settings.BASE_URL)


class TrainingCost(Scoped):
    """`/api/v1/models/<lab>/<name>/training-cost`."""

    @_Training(name="estimateTrainingCost", problems=(404, 409))
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Estimate what the training of a published model took, on your grid and prices."""
        return answers.training_cost(_model(lab, name), asked, base=settings.BASE_URL)


class RunningCostOfSize(Scoped):
    """`/api/v1/families/<lab>/<slug>/sizes/<size>/cost`."""

    @_Running(name="estimateRunningCostOfSize", problems=(404,))
    def get(self, request: Request, lab: str, slug: str, size: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Estimate the same of a size that is described here and hosted elsewhere."""
        return answers.running_cost(_size(lab, slug, size), asked, base=settings.BASE_URL)


class TrainingCostOfSize(Scoped):
    """`/api/v1/families/<lab>/<slug>/sizes/<size>/training-cost`."""

    @_Training(name="estimateTrainingCostOfSize", problems=(404,))
    def get(self, request: Request, lab: str, slug: str, size: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Estimate the same of its training."""
        return answers.training_cost(_size(lab, slug, size), asked, base=settings.BASE_URL)


def _model(lab: str, name: str) -> Subject:
    found = model_seen(lab, name, person=None)
    return subjects.of_revision(found, found.main)


def _size(lab: str, slug: str, size: str) -> Subject:
    return subjects.of_size(subjects.entry(lab, slug), size)
