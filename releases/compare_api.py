"""Two published revisions of a model beside one another, for programs."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Taken
from portal.api.operations import Operation, Scoped
from releases.api_names import model_seen, revision_of
from releases.comparison import TENSORS_MAX, Changes, Difference

TAG: Final = "comparisons"


class ComparedPair(Taken):
    """Which two."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python, so it cannot be an attribute."""
        return {"from": _named(), "to": _named()}


def _named() -> serializers.CharField:
    return serializers.CharField(max_length=200, help_text="A commit, enough of its start, a branch or a tag.")


class ChangedNames(serializers.Serializer[Any]):
    """Names that come, change and go, at most 10,000 files and 200 tensors of each; `count` has all."""

    count = serializers.IntegerField()
    added = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())
    gone = serializers.ListField(child=serializers.CharField())


class ChangedValue(serializers.Serializer[Any]):
    """One value that differs; null where it is not there."""

    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class ComparedRun(serializers.Serializer[Any]):
    """A stretch of a text that stayed, came or went."""

    kind = serializers.CharField(help_text="`same`, `ins` or `del`.")
    text = serializers.CharField(allow_blank=True)


class ComparedText(serializers.Serializer[Any]):
    """A card or licence that differs."""

    path = serializers.CharField()
    paragraphs = serializers.ListField(
        child=ComparedRun(many=True), help_text="Empty where the texts are too long to be compared."
    )


class ComparisonShape(serializers.Serializer[Any]):
    """What differs."""

    model = serializers.CharField()
    before = serializers.CharField(help_text="The commit compared from.")
    after = serializers.CharField(help_text="The commit compared to.")
    files = ChangedNames()
    tensors = ChangedNames(help_text="By name and digest, whatever files they lie in.")
    said = ChangedValue(many=True, help_text="Licence, gate, weight id, parameters, bytes, openness class.")
    scores = ChangedValue(
        many=True, help_text="Results as the cards give them, and as they were entered, each by its whole setting."
    )
    texts = ComparedText(many=True)


class Comparison(Scoped):
    """`/api/v1/models/<lab>/<name>/compare`."""

    @Operation(name="compareRevisions", tag=TAG, scopes=None, asks=ComparedPair, gives=ComparisonShape, problems=(404,))
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Compare two revisions that are or were public: files, tensors, cards, licence, access, scores."""
        model = model_seen(lab, name, person=None)
        before, after = (revision_of(model, asked[end], person=None, field=end) for end in ("from", "to"))
        told = Difference(before, after)
        return {
            "model": model.full_name,
            "before": before.commit,
            "after": after.commit,
            "files": _changes(told.files, 10_000),
            "tensors": _changes(told.tensors, TENSORS_MAX),
            "said": told.said,
            "scores": told.scores,
            "texts": [{"path": text.path, "paragraphs": [block.runs for block in text.blocks]} for text in told.texts],
        }


def _changes(changes: Changes, most: int) -> dict[str, Any]:
    return {
        "count": len(changes),
        "added": changes.added[:most],
        "changed": changes.changed[:most],
        "gone": changes.gone[:most],
    }
