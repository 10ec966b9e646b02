"""The public numbers, for a program."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.access import numbers
from portal.api.operations import Operation, Scoped


class Days(serializers.Serializer[Any]):
    """How long decisions took, in business days."""

    half = serializers.IntegerField(help_text="Half took at most this.")
    nine_in_ten = serializers.IntegerField(help_text="Nine in ten took at most this.")


class NumbersRow(serializers.Serializer[Any]):
    """A gate or a class of institutions. A count is null where it is too small to tell."""

    key = serializers.CharField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    sent = serializers.IntegerField(allow_null=True)
    decided = serializers.IntegerField(allow_null=True)
    grants_active = serializers.IntegerField(allow_null=True)
    business_days = Days(allow_null=True)


class NumbersTotal(NumbersRow):
    """All of it."""

    approved = serializers.IntegerField(allow_null=True)
    declined = serializers.IntegerField(allow_null=True)
    appeals = serializers.IntegerField(allow_null=True)


class NumbersShape(serializers.Serializer[Any]):
    """What was sent and decided in a year, how long it took, and what is granted today."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    smallest_count = serializers.IntegerField(help_text="Counts below it are left out.")
    total = NumbersTotal()
    gates = NumbersRow(many=True)
    classes = NumbersRow(many=True)


class NumbersDetail(Scoped):
    """`/api/v1/numbers`."""

    @Operation(name="getNumbers", tag="numbers", scopes=None, gives=NumbersShape)
    def get(self, request: Request) -> dict[str, Any]:
        """Read the public numbers of the last year, without small counts."""
        return numbers.recent().as_json()

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Anybody may keep it for five minutes."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code == 200:
            final["Cache-Control"] = "public, max-age=300"
        return final
