"""What the API takes and gives about gates as the lab sees them. Bounds are those of the page's form."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.api.shapes import COUNTER, Person
from portal.access.duo import TERMS
from portal.access.form_text import LIMIT
from portal.access.gate_forms import GateForm
from portal.access.gate_models import Capability
from portal.access.referee_models import Confirmer
from portal.api.fields import Choice, Taken


def _number(name: str) -> serializers.IntegerField:
    """A whole number within the bounds of the page's field of this name."""
    field = GateForm.base_fields[name]
    bounds = {bound: getattr(field, bound) for bound in ("min_value", "max_value")}
    return serializers.IntegerField(required=False, **bounds)


class Settings(serializers.Serializer[Any]):
    """What a lab sets about a gate."""

    title = serializers.CharField(required=False, max_length=200)
    summary = serializers.CharField(required=False, allow_blank=True, max_length=2_000)
    contact = serializers.EmailField(required=False, allow_blank=True, help_text="Empty: the lab's own.")
    capabilities = serializers.ListField(
        child=Choice(choices=Capability.values), required=False, min_length=1, max_length=len(Capability.values)
    )
    grant_days = _number("grant_days")
    deletion_days = _number("deletion_days")
    quorum = _number("quorum")
    target_days = _number("target_days")
    renew_unchanged = serializers.BooleanField(required=False)
    auto_approve_green = serializers.BooleanField(required=False)
    spot_check_percent = _number("spot_check_percent")
    team_limit = _number("team_limit")
    confirmations = _number("confirmations")
    confirmer = Choice(choices=Confirmer.values, required=False)
    duo = serializers.ListField(
        child=Choice(choices=list(TERMS)),
        required=False,
        max_length=len(TERMS),
        help_text="Ids of the Data Use Ontology.",
    )


class LabGate(Settings):
    """A gate with its settings, all but its form."""

    lab = serializers.CharField(source="lab.slug")
    slug = serializers.SlugField()
    agreement = serializers.CharField(source="agreement.slug")
    edits = serializers.IntegerField(help_text="Raised by every change; send it back with a write.")
    form_version = serializers.IntegerField()
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_reason = serializers.CharField(allow_blank=True)


class Edited(Taken):
    """The state that was read."""

    edits = serializers.IntegerField(min_value=0, max_value=COUNTER, help_text="409 when it is not this one any more.")


class GateChanged(Edited, Settings):
    """What is left out stays."""


class GateMade(Taken):
    """A new gate."""

    slug = serializers.SlugField(max_length=96, help_text="It never changes.")
    title = serializers.CharField(max_length=200)
    agreement = serializers.SlugField(max_length=96, help_text="What holders sign. It never changes.")
    like = serializers.SlugField(
        required=False, allow_null=True, default=None, max_length=96, help_text="A gate of the lab to begin with."
    )


class Closed(Taken):
    """Why; everybody reads it."""

    closed_reason = serializers.CharField(max_length=500)


class FormWritten(Edited):
    """A form as text."""

    text = serializers.CharField(trim_whitespace=False, max_length=LIMIT, help_text="YAML, as `getGateForm` gives it.")


class FormRow(serializers.Serializer[Any]):
    """A version of a form."""

    version = serializers.IntegerField()
    made_at = serializers.DateTimeField()
    made_by = Person(allow_null=True)


class FormShape(FormRow):
    """A version of a form with its text."""

    text = serializers.CharField(help_text="YAML.")


class FormInForce(serializers.Serializer[Any]):
    """The form that is asked now."""

    version = serializers.IntegerField()
    edits = serializers.IntegerField(help_text="Of the gate; send it back with a new form.")
    text = serializers.CharField(help_text="YAML.")
