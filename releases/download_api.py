"""Downloads for programs: one's own links, a model's sums, and the caps."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.access.api.grants import found_grant
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Listed, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import User
from portal.tokens.scopes import Scope
from releases import actions, egress, ledger, tally
from releases.actions.capping import MOST
from releases.api import CapShape
from releases.api_names import model_kept

TAG: Final = "downloads"


class LinkShape(serializers.Serializer[Any]):
    """One link that was given out."""

    at = serializers.DateTimeField()
    model = serializers.CharField()
    commit = serializers.CharField()
    path = serializers.CharField()
    size = serializers.IntegerField(help_text="Of the file, in bytes.")
    bytes = serializers.IntegerField(source="given", help_text="Of the range that was asked for.")
    client = serializers.CharField(allow_blank=True)
    ends_at = serializers.DateTimeField(source="link_ends_at", help_text="Until when the link opens.")


class Mine(Scoped):
    """`/api/v1/downloads`."""

    @Operation(name="listDownloads", tag=TAG, scopes=tuple(Scope), listed=True, gives=LinkShape)
    def get(self, request: Request, asked: dict[str, Any]) -> Any:  # noqa: ANN401 a QuerySet with one column more
        """List every link that oneself was given, newest first."""
        return ledger.links_of(self.person(request))


class SumsAsked(Taken):
    """Which sums."""

    by = Choice(choices=list(tally.WAYS), required=False, default="day")
    days = serializers.IntegerField(required=False, default=30, min_value=1, max_value=3_650, help_text="Up to today.")
    revision = serializers.RegexField(r"^[0-9a-f]{40}$", required=False, default="", help_text="A commit; else all.")


class SumShape(serializers.Serializer[Any]):
    """One sum."""

    key = serializers.CharField(
        allow_blank=True, help_text="The day (UTC), the person's id, the file's path, the client or the commit."
    )
    links = serializers.IntegerField(source="n")
    bytes = serializers.IntegerField(source="size")


class OfModel(Scoped):
    """`/api/v1/models/<lab>/<name>/downloads`."""

    @Operation(
        name="sumDownloads", tag=TAG, scopes=(MANAGE,), listed=True, asks=SumsAsked, gives=SumShape, problems=(404,)
    )
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> Listed:
        """Sum what was given out of a model of one's lab, by day, person, file, client or revision.

        The newest day first, or the most bytes. Drawn from the ledger four times an hour.
        """
        user, today = self.person(request), timezone.now().date()
        model = model_kept(user, lab, name)
        sums = tally.asked(model, days=asked["days"], today=today, commit=asked["revision"])
        return Listed(sums.by(asked["by"]), lambda row: row)


class CapSet(Taken):
    """A cap; null: none."""

    bytes = serializers.IntegerField(allow_null=True, min_value=1, max_value=MOST)


class GrantCapSet(CapSet):
    """A grant's own cap, or its gate's again."""

    as_gate = serializers.BooleanField(
        required=False, default=False, help_text="Whatever the gate has; `bytes` is not read."
    )


class GateCapShape(serializers.Serializer[Any]):
    """What each grant behind a gate may be given in 24 hours."""

    bytes = serializers.IntegerField(allow_null=True, help_text="null: no cap.")


class GrantCap(Scoped):
    """`/api/v1/grants/<grant>/cap`."""

    @Operation(name="getGrantCap", tag=TAG, scopes=(MANAGE,), gives=CapShape, problems=(404,))
    def get(self, request: Request, grant: UUID) -> egress.Use:
        """Read what a grant may be given in 24 hours, and was. By session, also of one's own."""
        return egress.use_of(found_grant(self.person(request), grant, own=request.auth is None), timezone.now())

    @Operation(
        name="setGrantCap", tag=TAG, scopes=(MANAGE,), takes=GrantCapSet, gives=CapShape, problems=(404,),
        example={"bytes": 500_000_000_000},
    )  # fmt: skip
    def put(self, request: Request, grant: UUID, said: dict[str, Any]) -> egress.Use:
        """Set what one grant may be given in 24 hours, in place of its gate's cap."""
        user = self.person(request)
        found: Grant = found_grant(user, grant, own=False)
        actions.cap_grant(by=user, grant=found, limit=said["bytes"], as_gate=said["as_gate"])
        return egress.use_of(found, timezone.now())


class GateCap(Scoped):
    """`/api/v1/gates/<lab>/<gate>/cap`."""

    @Operation(name="getGateCap", tag=TAG, scopes=(MANAGE,), gives=GateCapShape, problems=(404,))
    def get(self, request: Request, lab: str, gate: str) -> dict[str, Any]:
        """Read what each grant behind a gate may be given in 24 hours."""
        return {"bytes": egress.cap_of_gate(_gate(self.person(request), lab, gate))}

    @Operation(
        name="setGateCap", tag=TAG, scopes=(MANAGE,), takes=CapSet, gives=GateCapShape, problems=(404,),
        example={"bytes": 2_000_000_000_000},
    )  # fmt: skip
    def put(self, request: Request, lab: str, gate: str, said: dict[str, Any]) -> dict[str, Any]:
        """Set what each grant behind a gate may be given in 24 hours, but those with a cap of their own."""
        user = self.person(request)
        found = _gate(user, lab, gate)
        actions.cap_gate(by=user, gate=found, limit=said["bytes"])
        return {"bytes": egress.cap_of_gate(found)}


def _gate(user: User, lab: str, gate: str) -> Gate:
    found = Gate.objects.select_related("lab").filter(lab__slug=lab, slug=gate).first()
    if found is None or not user.roles_in(found.lab):
        raise NotFound(_("There is no such gate, or it belongs to another lab."))
    return found
