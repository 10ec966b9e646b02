"""What works now, for a program that asks before it blames itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from inference import standing
from portal.api.operations import Listed, Operation, Scoped


class PartShape(serializers.Serializer[Any]):
    """A part of the portal."""

    name = serializers.ChoiceField(["apply", "download", "query", "publish", "mail"])
    state = serializers.ChoiceField([standing.WORKS, standing.CLOSED, standing.AWAY, standing.BEHIND])
    since = serializers.DateTimeField(
        allow_null=True, help_text="From when on it is closed, or its oldest letter waits."
    )


class ServedShape(serializers.Serializer[Any]):
    """A model that can be queried."""

    model = serializers.CharField()
    commit = serializers.CharField()
    state = serializers.ChoiceField([standing.WORKS, standing.BUSY, standing.CLOSED, standing.AWAY, standing.NOT_KNOWN])
    servers = serializers.IntegerField(help_text="How many of its servers answer.")
    of = serializers.IntegerField(help_text="How many there are.")
    waiting = serializers.IntegerField(
        allow_null=True, help_text="Requests that wait for a place; null where that is not known."
    )


class StatusShape(serializers.Serializer[Any]):
    """How it stands, a few seconds old at most."""

    at = serializers.DateTimeField()
    well = serializers.BooleanField(help_text="All that is offered works, the models too.")
    parts = PartShape(many=True)


class Status(Scoped):
    """`/api/v1/status`."""

    @Operation(name="getStatus", tag="status", scopes=None, gives=StatusShape)
    def get(self, request: Request) -> dict[str, Any]:
        """Read which parts of the portal work. The models that can be queried are a list of their own."""
        found = standing.now()
        return {"at": found.at, "well": found.well, "parts": [asdict(part) for part in found.parts]}


class ServedModels(Scoped):
    """`/api/v1/status/models`."""

    @Operation(name="listServedModels", tag="status", scopes=None, listed=True, gives=ServedShape)
    def get(self, request: Request, asked: dict[str, Any]) -> Listed:
        """Read how the models stand that can be queried. Those that do not work come first."""
        return Listed(standing.now().models, asdict)
