"""Gate, terms, family and summary of a model for a lab's programs; the words of the page."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import Invalid
from releases import actions
from releases.api_names import model_kept
from releases.models import Model

TAG: Final = "gates"


class DescribedShape(serializers.Serializer[Any]):
    """What a model says of itself, and who gets in."""

    model = serializers.CharField(source="full_name")
    gate = serializers.SlugField(source="gate.slug", allow_null=True, default=None, help_text="null: everybody.")
    agreement = serializers.SlugField(
        source="agreement.slug", allow_null=True, default=None, help_text="Terms that a model without a gate shows."
    )
    family = serializers.SlugField(source="family.slug", allow_null=True, default=None)
    summary = serializers.CharField(allow_blank=True)


class Described(Taken):
    """The same, every member of it; names are those of the model's lab."""

    gate = serializers.SlugField(allow_null=True, max_length=96)
    agreement = serializers.SlugField(allow_null=True, max_length=64)
    family = serializers.SlugField(allow_null=True, max_length=96)
    summary = serializers.CharField(allow_blank=True, max_length=300)
    everybody = serializers.BooleanField(
        required=False, default=False, help_text="Must be true where a published model loses its gate."
    )


class Description(Scoped):
    """`/api/v1/models/<lab>/<name>/settings`."""

    @Operation(name="getModelSettings", tag=TAG, scopes=(MANAGE,), gives=DescribedShape, problems=(404,))
    def get(self, request: Request, lab: str, name: str) -> Model:
        """Read a model's gate, terms, family and summary."""
        return model_kept(self.person(request), lab, name)

    @Operation(
        name="setModelSettings", tag=TAG, scopes=(MANAGE,), takes=Described, gives=DescribedShape, recent=True,
        problems=(404,), example={"gate": None, "agreement": None, "family": None, "summary": "A small model."},
    )  # fmt: skip
    def put(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> Model:
        """Say who gets at a model, what it belongs to, and what lists say of it; it holds from the next request on."""
        user = self.person(request)
        model = model_kept(user, lab, name)
        wanted = {
            "gate": _one(model.lab.gates.all(), "gate", said["gate"]),
            "agreement": _one(actions.shown_terms(model.lab), "agreement", said["agreement"]),
            "family": _one(model.lab.families.filter(hosted=True), "family", said["family"]),
            "summary": said["summary"],
        }
        if actions.gives_away(model, wanted["gate"]) and not said["everybody"]:
            raise _wrong("everybody", _("Say so here too: from then on nobody is asked, and nothing comes back."))
        return actions.describe_model(model=model, by=user, **wanted)


def _one(rows: Any, what: str, slug: str | None) -> Any:  # noqa: ANN401 a query of one of three tables, and its row
    if slug is None:
        return None
    found = rows.filter(slug=slug).first()
    if found is None:
        raise _wrong(what, _("This model’s laboratory has nothing of this name."))
    return found


def _wrong(field: str, text: str) -> Invalid:
    return Invalid(text, fields={field: [text]})
