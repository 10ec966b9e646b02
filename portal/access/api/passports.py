"""The holder's GA4GH passport."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.access import visas
from portal.api.operations import Operation, Scoped


class PassportShape(serializers.Serializer[Any]):
    """Visas as GA4GH's UserInfo answer has them, and the passport that carries them."""

    iss = serializers.CharField(help_text="Who signed: the address of this portal.")
    sub = serializers.CharField(help_text="The person, by an id of this portal.")
    ga4gh_passport_v1 = serializers.ListField(
        child=serializers.CharField(), help_text="Signed visas (JWT), one for each model of each active grant."
    )
    passport = serializers.CharField(help_text="A JWT that carries the same visas.")


class Passport(Scoped):
    """`/api/v1/me/passport`."""

    @Operation(name="getMyPassport", tag="grants", scopes=("download",), gives=PassportShape, problems=(503,))
    def get(self, request: Request) -> dict[str, Any]:
        """Read one's GA4GH passport: a ControlledAccessGrants visa for each model that one may download.

        Visas are good for at most an hour, and never past the end of the grant. The keys are at `/.well-known/jwks.json`.
        """
        return visas.passport(self.person(request), timezone.now())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Nobody keeps it: the next answer may hold less."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        return final
