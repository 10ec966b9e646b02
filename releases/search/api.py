"""Search for programs."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import Operation, Scoped
from portal.errors import Invalid
from releases.logbook_models import Kind
from releases.search import finding

TAG: Final = "search"


class Asked(Taken):
    """What to look for, and where."""

    q = serializers.CharField(max_length=finding.WORDS_MAX, help_text='All words; "a phrase", or, -without.')
    kind = Choice(choices=Kind.values, required=False, default="", help_text="Of entries; left out: every kind.")
    page = serializers.IntegerField(required=False, default=1, min_value=1, max_value=500, help_text="Of both lists.")


class ReleaseShape(serializers.Serializer[Any]):
    """A family or a model."""

    name = serializers.CharField(source="subject.full_name")
    kind = Choice(choices=["family", "model"])
    summary = serializers.CharField()
    url = serializers.CharField(source="subject.get_absolute_url")


class FoundEntryShape(serializers.Serializer[Any]):
    """An entry of a logbook."""

    logbook = serializers.CharField(source="entry.logbook.title")
    title = serializers.CharField(source="entry.headline")
    kind = Choice(choices=Kind.values, source="entry.kind")
    run = serializers.CharField(source="entry.run.name", default=None, allow_null=True)
    step = serializers.IntegerField(source="entry.step", allow_null=True)
    at = serializers.DateTimeField(source="entry.at", allow_null=True)
    url = serializers.CharField(source="entry.get_absolute_url")


class FoundShape(serializers.Serializer[Any]):
    """What answers, the best first: a page of each list, twenty to a page."""

    releases = ReleaseShape(many=True)
    releases_count = serializers.IntegerField()
    entries = FoundEntryShape(many=True)
    entries_count = serializers.IntegerField(help_text=f"At most {finding.WEIGHED}: no more are weighed.")


class Search(Scoped):
    """`/api/v1/search`."""

    @Operation(name="search", tag=TAG, scopes=None, asks=Asked, gives=FoundShape)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Search families, models, their cards, and the entries of logbooks: everything that is public."""
        words = asked["q"].replace("\0", "").strip()
        if not words:
            nothing = _("Say what to look for.")
            raise Invalid(nothing, fields={"q": [nothing]})
        found, told = finding.releases(words, asked["page"]), finding.entries(words, asked["page"], kind=asked["kind"])
        return {
            "releases": found.object_list,
            "releases_count": found.paginator.count,
            "entries": told.page.object_list,
            "entries_count": told.weighed,
        }
