"""Errata for programs: read them, as everybody may, and raise one for one's lab."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import Invalid
from releases import actions
from releases.api_names import model_of_lab, model_seen, revision_of
from releases.models import Model
from releases.proof_models import Erratum, Severity

TAG: Final = "errata"


class ErratumShape(serializers.Serializer[Any]):
    """What turned out to be wrong. It is never edited: a later one corrects it."""

    id = serializers.IntegerField(source="pk")
    model = serializers.CharField(source="model.full_name")
    revision = serializers.CharField(source="revision.commit", default=None, allow_null=True, help_text="null: all.")
    severity = Choice(choices=Severity.values)
    title = serializers.CharField()
    text = serializers.CharField()
    corrects = serializers.IntegerField(source="corrects_id", allow_null=True)
    scrub = serializers.BooleanField(help_text="Whether the scrub of the store raised it, and no person.")
    at = serializers.DateTimeField()


class Raised(Taken):
    """What is wrong, and what to do."""

    revision = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=200, help_text="Left out: all revisions."
    )
    severity = Choice(choices=Severity.values)
    title = serializers.CharField(max_length=160)
    text = serializers.CharField(max_length=8_000)
    corrects = serializers.IntegerField(required=False, default=None, allow_null=True, help_text="An earlier one's id.")


class Errata(Scoped):
    """`/api/v1/models/<lab>/<name>/errata`."""

    @Operation(name="listErrata", tag=TAG, scopes=None, listed=True, gives=ErratumShape)
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> QuerySet[Erratum]:
        """List every erratum of a published model, the newest first; what a later one corrects stays."""
        model = model_seen(lab, name, person=None)
        return model.errata.select_related("model__lab", "revision")

    @Operation(
        name="raiseErratum", tag=TAG, scopes=(MANAGE,), takes=Raised, gives=ErratumShape, status=201, recent=True,
        problems=(404, 503),
        example={"severity": "serious", "title": "The tokenizer lacks a token", "text": "Take revision two instead."},
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> Erratum:
        """Say in public what is wrong with a model that is out; everybody who may hold a copy is written to."""
        user = self.person(request)
        model = model_of_lab(user, lab, name)
        named = said.pop("revision")
        revision = revision_of(model, named, person=user) if named else None
        corrects = _earlier(model, said.pop("corrects"))
        return actions.add_erratum(model=model, revision=revision, corrects=corrects, by=user, **said)


def _earlier(model: Model, pk: int | None) -> Erratum | None:
    found = model.errata.filter(pk=pk).first() if pk is not None else None
    if pk is not None and found is None:
        wrong = _("Choose an erratum of this model.")
        raise Invalid(wrong, fields={"corrects": [wrong]})
    return found
