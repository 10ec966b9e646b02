"""What the API of filters, substitutes, reasons and rules takes and gives."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.actions.rules import TEXT_LIMIT
from portal.access.actions.wording import LIMIT as WORDS_LIMIT
from portal.access.api.shapes import Person, QueueFilters
from portal.access.application_models import Lane
from portal.api.fields import Choice, Taken


class FilterShape(serializers.Serializer[Any]):
    """A saved filter."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True, help_text="The query of the queue's address.")


class FilterSaved(QueueFilters):
    """The filters of the queue, and a name."""

    name = serializers.CharField(max_length=60)


class SubstituteShape(serializers.Serializer[Any]):
    """Who acts in whose place, and when."""

    id = serializers.IntegerField()
    lab = serializers.CharField(source="lab.slug")
    reviewer = Person()
    substitute = Person()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it was taken back.")


class SubstituteNamed(Taken):
    """Who acts in one's place, and when: both days included, UTC."""

    lab = serializers.SlugField(max_length=64)
    substitute = serializers.UUIDField(help_text="Somebody of the lab's staff.")
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()


class ReasonShape(serializers.Serializer[Any]):
    """A typed reason and its words."""

    reason = serializers.CharField(help_text="`declined_…` or `changes_…`.")
    label = serializers.CharField()  # type: ignore[assignment]
    default = serializers.CharField(help_text="The words where the lab has none of its own.")
    own = serializers.CharField(allow_blank=True)


class Worded(Taken):
    """The lab's own words."""

    text = serializers.CharField(allow_blank=True, max_length=WORDS_LIMIT)


class RuleShape(serializers.Serializer[Any]):
    """One rule, as it is written."""

    id = serializers.CharField()
    lane = Choice(choices=Lane.values)
    found = serializers.CharField(help_text="What a reviewer reads.")
    text = serializers.CharField(source="__str__")


class RuleSetShape(serializers.Serializer[Any]):
    """One version of a lab's rules."""

    version = serializers.IntegerField()
    gate = serializers.CharField(source="gate.slug", default=None, allow_null=True, help_text="null: of the lab.")
    text = serializers.CharField(allow_blank=True, help_text="One rule a line.")
    reason = serializers.CharField(allow_blank=True, help_text="Why it was made.")
    made_at = serializers.DateTimeField(allow_null=True)
    made_by = Person(allow_null=True)


class RulesTried(Taken):
    """Rules, for one gate or for all without their own."""

    text = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=TEXT_LIMIT)
    gate = serializers.SlugField(required=False, allow_blank=True, default="", max_length=96)


class RulesPublished(RulesTried):
    """Rules, and why."""

    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)


class LaneCount(serializers.Serializer[Any]):
    """How many applications lie in a lane."""

    lane = Choice(choices=Lane.values)
    before = serializers.IntegerField()
    after = serializers.IntegerField()


class MoveShape(serializers.Serializer[Any]):
    """An application that these rules would put elsewhere."""

    application = serializers.UUIDField(source="application.pk")
    reference = serializers.CharField(source="application.reference")
    before = Choice(choices=Lane.values)
    after = Choice(choices=Lane.values)
    because = RuleShape(many=True)


class DryRunShape(serializers.Serializer[Any]):
    """What the rules would have done."""

    looked_at = serializers.IntegerField(help_text="Applications.")
    lanes = LaneCount(many=True)
    moves = MoveShape(many=True)
