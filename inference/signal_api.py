"""Misuse signals for the programs of a lab's managers: list them, read one, answer it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from inference import signalling
from inference.misuse import RULES
from inference.signal_models import Signal
from inference.signal_states import State, Verb
from inference.signal_views import managed
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import User

TAG: Final = "usage"


class SignalShape(serializers.Serializer[Any]):
    """A day of a project's queries of one model that stands out by a rule."""

    id = serializers.UUIDField()
    rule = Choice(choices=list(RULES))
    model = serializers.CharField()
    project = serializers.CharField(source="project_id", help_text="An id; the title stands on the page alone.")
    day = serializers.DateField(help_text="UTC.")
    figures = serializers.DictField(child=serializers.IntegerField(), help_text="What the rule found, by name.")
    state = Choice(choices=list(State))
    note = serializers.CharField(allow_blank=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    raised_at = serializers.DateTimeField()


class SignalsAsked(Taken):
    """Which signals."""

    state = Choice(choices=list(State), required=False, default=State.OPEN)


class SignalAnswered(Taken):
    """What one does with it; dismissing needs a note."""

    verb = Choice(choices=list(Verb))
    note = serializers.CharField(max_length=signalling.NOTE, required=False, allow_blank=True, default="")


class Signals(Scoped):
    """`/api/v1/signals`."""

    @Operation(name="listSignals", tag=TAG, scopes=(MANAGE,), listed=True, asks=SignalsAsked, gives=SignalShape)
    def get(self, request: Request, asked: dict[str, Any]) -> Any:  # noqa: ANN401 a QuerySet
        """List misuse signals of the labs that one manages, newest first; the open ones, if nothing else is asked."""
        return managed(self.person(request)).filter(state=asked["state"]).order_by("-day", "rule", "pk")


class One(Scoped):
    """`/api/v1/signals/<signal>`."""

    @Operation(name="getSignal", tag=TAG, scopes=(MANAGE,), gives=SignalShape, problems=(404,))
    def get(self, request: Request, pk: UUID) -> Signal:
        """Read one signal."""
        return _found(self.person(request), pk)

    @Operation(
        name="answerSignal", tag=TAG, scopes=(MANAGE,), takes=SignalAnswered, gives=SignalShape, problems=(404,),
        example={"verb": "dismiss", "note": "The nightly benchmark of the project; agreed with its lead."},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID, said: dict[str, Any]) -> Signal:
        """Look at it, dismiss it, or open it again. Nobody’s access changes by it."""
        user = self.person(request)
        return signalling.answer(by=user, signal=_found(user, pk), verb=Verb(said["verb"]), note=said["note"])


def _found(user: User, pk: UUID) -> Signal:
    found = managed(user).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such signal, or it belongs to another lab."))
    return found
