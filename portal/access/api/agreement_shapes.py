"""What the API of agreements takes and gives."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.api.shapes import COUNTER, Person
from portal.access.outstanding import SHOWN
from portal.agreements.actions import TEXT_LIMIT
from portal.agreements.models import ChangeClass
from portal.api.fields import Choice, Taken


class AgreementRow(serializers.Serializer[Any]):
    """An agreement in a list."""

    lab = serializers.CharField(source="lab.slug")
    slug = serializers.CharField()
    title = serializers.CharField()
    edits = serializers.IntegerField(help_text="Raised by every change; send it back with a write.")


class AgreementMade(Taken):
    """A new agreement, without a text."""

    lab = serializers.SlugField(max_length=64)
    slug = serializers.SlugField(max_length=64, help_text="It never changes.")
    title = serializers.CharField(max_length=200)


class VersionShape(serializers.Serializer[Any]):
    """A version, without its text."""

    number = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of the text.")
    points = serializers.ListField(child=serializers.CharField(), help_text="In short; the text governs.")
    content_logging = serializers.BooleanField(help_text="Whether prompts and answers may be kept.")
    change_class = Choice(choices=ChangeClass.choices)
    grace_ends_at = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)


class DraftShape(VersionShape):
    """The next version, with its text."""

    text = serializers.CharField()


class Counts(serializers.Serializer[Any]):
    """How many holders stand where."""

    outstanding = serializers.IntegerField()
    paused = serializers.IntegerField()
    grace = serializers.IntegerField()
    signed = serializers.IntegerField()
    all = serializers.IntegerField()


class AgreementWhole(AgreementRow):
    """One agreement with its versions, newest first."""

    versions = VersionShape(many=True)
    draft = DraftShape(allow_null=True)
    outstanding = Counts()


class Draft(Taken):
    """The next version."""

    text = serializers.CharField(trim_whitespace=False, max_length=TEXT_LIMIT)
    points = serializers.ListField(
        child=serializers.CharField(max_length=300), required=False, default=list, max_length=12
    )
    content_logging = serializers.BooleanField(
        required=False, default=False, help_text="Whether prompts and answers of those who sign it may be kept."
    )
    change_class = Choice(choices=ChangeClass.choices)
    grace_ends_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="With the class `notice`, and only with it."
    )
    edits = serializers.IntegerField(min_value=0, max_value=COUNTER, help_text="Of the agreement that was read.")


class Seen(Taken):
    """The state that was read."""

    edits = serializers.IntegerField(min_value=0, max_value=COUNTER, help_text="Of the agreement that was read.")


class Compared(Taken):
    """Two versions."""

    to = serializers.IntegerField(min_value=1, max_value=COUNTER)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python's."""
        first = serializers.IntegerField(min_value=1, max_value=COUNTER)
        return {"from": first, **super().get_fields()}


class Run(serializers.Serializer[Any]):
    """A stretch of text."""

    kind = Choice(choices=["same", "ins", "del"])
    text = serializers.CharField(allow_blank=True)


class Redline(serializers.Serializer[Any]):
    """What changed, paragraph by paragraph."""

    to = serializers.IntegerField()
    paragraphs = serializers.ListField(child=Run(many=True))

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python's."""
        return {"from": serializers.IntegerField(), **super().get_fields()}


class OutstandingFilters(Taken):
    """Which holders."""

    show = Choice(choices=list(SHOWN), required=False, default=SHOWN[0])
    q = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=120, help_text="A part of a name or address."
    )


class StandingRow(serializers.Serializer[Any]):
    """Where one holder stands."""

    holder = Person(source="user")
    grant = serializers.UUIDField()
    state = Choice(choices=["signed", "grace", "paused"])
    due = serializers.DateTimeField(allow_null=True, help_text="When access pauses without a signature.")
    signed_version = serializers.IntegerField(source="signed", help_text="0: none.")
    signed_at = serializers.DateTimeField(allow_null=True)
