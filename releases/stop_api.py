"""Emergency stops for a lab's programs: what is stopped of a model, stop it, lift a stop; the verbs of the page."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.access.api.shapes import Person
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import Invalid, NotFound
from portal.people.models import User
from releases import actions, lookup
from releases.api_names import model_kept
from releases.models import Family, Model, Revision
from releases.stop_models import Stop

TAG: Final = "stops"
KINDS: Final = ("model", "family", "revision")


class StopShape(serializers.Serializer[Any]):
    """One stop."""

    id = serializers.IntegerField(source="pk")
    stopped = serializers.CharField(source="name", help_text="`lab/name` of a family or model, or `lab/name@commit`.")
    kind = serializers.SerializerMethodField()
    reason = serializers.CharField()
    instead = serializers.CharField(allow_blank=True)
    stopped_at = serializers.DateTimeField()
    stopped_by = Person(allow_null=True, help_text="null: the operator.")
    lifted_at = serializers.DateTimeField(allow_null=True)
    lifted_by = Person(allow_null=True)

    def get_kind(self, stop: Stop) -> str:
        """`family`, `model` or `revision`."""
        return next(kind for kind in KINDS if getattr(stop, f"{kind}_id"))


class Stopped(Taken):
    """What is stopped, why, and what to use instead."""

    what = Choice(choices=list(KINDS), required=False, default="model")
    revision = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=200, help_text="Which, where one revision is stopped."
    )
    reason = serializers.CharField(max_length=2_000, help_text="Everybody reads it.")
    instead = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=300, help_text="`lab/name` or `lab/name@commit`."
    )


class Stops(Scoped):
    """`/api/v1/models/<lab>/<name>/stops`."""

    @Operation(
        name="listStops", tag=TAG, scopes=(MANAGE,), listed=True, gives=StopShape,
        links={"liftStop": {"stop": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> QuerySet[Stop]:
        """List what was ever stopped of a model, its revisions and its family, the newest first."""
        return Stop.objects.beside(model_kept(self.person(request), lab, name))

    @Operation(
        name="stopRelease", tag=TAG, scopes=(MANAGE,), takes=Stopped, gives=StopShape, status=201, recent=True,
        problems=(404,), links={"liftStop": {"stop": "$response.body#/id"}},
        example={"what": "model", "reason": "The tokenizer leaks a private text."},
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> Stop:
        """Refuse every download and query of a model, its family or one revision from the next request on."""
        user = self.person(request)
        subject = _subject(model_kept(user, lab, name), user, said["what"], said["revision"])
        return actions.stop_release(subject=subject, by=user, reason=said["reason"], instead=said["instead"])


class Lift(Scoped):
    """`/api/v1/stops/<stop>/lift`."""

    @Operation(name="liftStop", tag=TAG, scopes=(MANAGE,), gives=StopShape, recent=True, problems=(404,))
    def post(self, request: Request, stop: int) -> Stop:
        """Give it out again to whoever may have it; lifted twice is lifted once."""
        user = self.person(request)
        found = Stop.objects.filter(pk=stop).first()
        if found is None or not user.roles_in(found.lab):
            raise NotFound(_("There is no such stop, or it belongs to another lab."))
        return actions.lift_stop(stop=found, by=user)


def _subject(model: Model, user: User, what: str, revision: str) -> Family | Model | Revision:
    if what == "model":
        return model
    if what == "family":
        if model.family and model.family.lab_id == model.lab_id:
            return model.family
        raise _wrong("what", _("This model belongs to no family of its lab."))
    found = lookup.revision(model, revision, person=user, now=timezone.now()) if revision else None
    if found is None or not found.is_public:
        raise _wrong("revision", _("Name a published revision of this model."))
    return found


def _wrong(field: str, text: str) -> Invalid:
    return Invalid(text, fields={field: [text]})
