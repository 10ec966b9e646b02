"""Conversions for a lab's programs: ask for one, follow it, cancel it, try again; the verbs of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import User
from releases import lifecycle, lookup
from releases.conversion import actions, receipts, wishes
from releases.conversion.child.splits import ARCHITECTURES
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation as Kind
from releases.conversion_lifecycle import Stage
from releases.conversion_models import Conversion
from releases.models import Model, Revision
from releases.sentences import restored

TAG: Final = "conversions"
LINKS: Final = {
    name: {"conversion": "$response.body#/id"} for name in ("getConversion", "cancelConversion", "retryConversion")
}


class Wished(Taken):
    """What to convert, and how."""

    model = serializers.RegexField(r"^[^/\s]+/[^/\s]+$", max_length=200, help_text="`namespace/name`.")
    revision = serializers.CharField(
        max_length=200, required=False, default="main", help_text="The newest of a branch."
    )
    operation = Choice(choices=[kind.value for kind in Kind])
    files = serializers.ListField(
        child=serializers.CharField(max_length=1024), required=False, max_length=4096,
        help_text="Paths; left out: all pickles but what trainers leave, without them all safetensors.",
    )  # fmt: skip
    shards = serializers.IntegerField(required=False, default=1, min_value=1, max_value=wishes.SHARDS_MAX)
    dtype = Choice(choices=list(wishes.DTYPES), required=False, help_text="For a cast.")
    architecture = Choice(choices=list(ARCHITECTURES), required=False, help_text="For parts of a tensor-parallel run.")


class ConversionShape(serializers.Serializer[Any]):
    """One conversion."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="model.full_name")
    source = serializers.CharField(source="source.commit")  # type: ignore[assignment]
    operation = Choice(choices=[kind.value for kind in Kind])
    options = serializers.DictField()
    files = serializers.ListField(child=serializers.CharField())
    stage = Choice(choices=[stage.value for stage in Stage])
    done = serializers.IntegerField(help_text="Bytes passed.")
    total = serializers.IntegerField(help_text="Bytes to be passed; 0 while that is not known.")
    problem = serializers.SerializerMethodField(help_text="Why it failed, or was cancelled with its model; else empty.")
    result = serializers.CharField(source="result.commit", allow_null=True, default=None)
    receipt = serializers.SerializerMethodField(help_text="The signed receipt, once it is done.")
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_problem(self, shown: Conversion) -> str:
        """In English, as programs have it."""
        return str(restored(shown.problem)) if shown.problem else ""

    def get_receipt(self, shown: Conversion) -> dict[str, Any] | None:
        """The document with its digest and seal."""
        return receipts.envelope(shown) if shown.receipt else None


class Conversions(Scoped):
    """`/api/v1/conversions`."""

    @Operation(
        name="startConversion", tag=TAG, scopes=(MANAGE,), takes=Wished, gives=ConversionShape, status=201,
        problems=(404, 503), links=LINKS,
        example={"model": "lyceum/pico-opt-5m", "operation": "reshard", "shards": 4},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Conversion:
        """Have the converter make other files of a revision's weights, as a new draft after it."""
        user = self.person(request)
        revision = _revision(user, said["model"], said["revision"])
        files = said.get("files") or wishes.chosen(revision.files.values_list("path", flat=True))
        wish = Wish(
            Kind(said["operation"]),
            tuple(sorted(set(files))),
            said["shards"],
            said.get("dtype", ""),
            said.get("architecture", ""),
        )
        return actions.request(revision=revision, wish=wish, by=user)


class ConversionDetail(Scoped):
    """`/api/v1/conversions/<conversion>`."""

    @Operation(name="getConversion", tag=TAG, scopes=(MANAGE,), gives=ConversionShape, problems=(404,), links=LINKS)
    def get(self, request: Request, conversion: UUID) -> Conversion:
        """Read how far a conversion is, and its receipt."""
        return _found(self.person(request), conversion)


class ConversionCancelled(Scoped):
    """`/api/v1/conversions/<conversion>/cancel`."""

    @Operation(name="cancelConversion", tag=TAG, scopes=(MANAGE,), gives=ConversionShape, problems=(404,), links=LINKS)
    def post(self, request: Request, conversion: UUID) -> Conversion:
        """Stop a conversion that waits or runs."""
        return _step(actions.cancel, self.person(request), conversion)


class ConversionRetried(Scoped):
    """`/api/v1/conversions/<conversion>/retry`."""

    @Operation(name="retryConversion", tag=TAG, scopes=(MANAGE,), gives=ConversionShape, problems=(404,), links=LINKS)
    def post(self, request: Request, conversion: UUID) -> Conversion:
        """Put a failed or cancelled conversion in the queue again."""
        return _step(actions.retry, self.person(request), conversion)


def _step(action: Callable[..., None], user: User, pk: UUID) -> Conversion:
    action(conversion=_found(user, pk), by=user)
    return _found(user, pk)


def _found(user: User, pk: UUID) -> Conversion:
    shown = Conversion.objects.select_related("model__lab", "source", "result").filter(pk=pk).first()
    if shown is None or not _looks_after(user, shown.model):
        raise NotFound(_("There is no such conversion, or it belongs to another lab."))
    return shown


def _revision(user: User, full_name: str, name: str) -> Revision:
    namespace, _slash, model_name = full_name.partition("/")
    now = timezone.now()
    model = lookup.model_ever(namespace, model_name, person=user, now=now)
    shown = lookup.revision(model, name, person=user, now=now) if model and _looks_after(user, model) else None
    if shown is None:
        raise NotFound(_("There is no such revision, or it belongs to another lab."))
    return shown


def _looks_after(user: User, model: Model) -> bool:
    return bool(user.roles_in(model.lab) & lifecycle.STAFF)
