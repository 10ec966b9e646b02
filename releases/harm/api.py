"""Reports of harm for programs: the public log, and the verbs of the lab's desk."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import User
from releases.harm import actions
from releases.harm_lifecycle import State, Verb
from releases.harm_models import About, Gravity, HarmReport, Publish

TAG: Final = "harm"


class HarmLogged(serializers.Serializer[Any]):
    """An answered report, as far as its reporter allows it."""

    number = serializers.CharField()
    subject = serializers.CharField(help_text="`lab/name` of a model or family.")
    about = Choice(choices=About.values)
    text = serializers.SerializerMethodField(help_text="Empty where the reporter does not allow it.")
    answer = serializers.CharField()
    received_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()

    def get_text(self, report: HarmReport) -> str:
        """The reporter's words, where they may be shown."""
        return report.text if report.publish == Publish.ALL else ""


class HarmReportShape(serializers.Serializer[Any]):
    """A report, as its lab sees it. The reporter's address is not told."""

    id = serializers.IntegerField(source="pk")
    number = serializers.CharField()
    subject = serializers.CharField()
    about = Choice(choices=About.values)
    text = serializers.CharField()
    publish = Choice(choices=Publish.values)
    state = Choice(choices=[state.value for state in State])
    gravity = serializers.CharField(allow_blank=True)
    answer = serializers.CharField(allow_blank=True)
    received_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class HarmByState(Taken):
    """In which state; left out: all."""

    state = Choice(choices=[state.value for state in State], required=False)


class HarmWeighed(Taken):
    """How much it weighs."""

    gravity = Choice(choices=Gravity.values)


class HarmEnded(Taken):
    """The lab's words."""

    answer = serializers.CharField(max_length=actions.MOST)


class HarmLog(Scoped):
    """`/api/v1/harm-reports/answered`."""

    @Operation(name="listAnsweredHarmReports", tag=TAG, scopes=None, listed=True, gives=HarmLogged)
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[HarmReport]:
        """List answered reports, the newest first, as far as their reporters allow it."""
        rows: QuerySet[HarmReport] = HarmReport.objects.log()
        return rows.select_related("lab", "model__lab", "family__lab").order_by("-ended_at", "-pk")


class HarmReports(Scoped):
    """`/api/v1/harm-reports`."""

    @Operation(name="listHarmReports", tag=TAG, scopes=(MANAGE,), listed=True, asks=HarmByState, gives=HarmReportShape)
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[HarmReport]:
        """List the reports to one's labs, those that wait longest first; people without such a lab see none."""
        rows = _of(self.person(request)).order_by("received_at", "pk")
        return rows.filter(state=asked["state"]) if asked.get("state") else rows


class HarmTriaged(Scoped):
    """`/api/v1/harm-reports/<report>/triage`."""

    @Operation(
        name="triageHarmReport", tag=TAG, scopes=(MANAGE,), takes=HarmWeighed, gives=HarmReportShape, problems=(404,),
        example={"gravity": "serious"},
    )  # fmt: skip
    def post(self, request: Request, report: int, said: dict[str, Any]) -> HarmReport:
        """Say that it is being looked into, and how much it weighs."""
        user = self.person(request)
        return actions.triage(report=_found(user, report), gravity=said["gravity"], by=user)


class HarmAnswered(Scoped):
    """`/api/v1/harm-reports/<report>/answer`."""

    @Operation(
        name="answerHarmReport", tag=TAG, scopes=(MANAGE,), takes=HarmEnded, gives=HarmReportShape, problems=(404,),
        example={"answer": "We took the file out of the training data."},
    )  # fmt: skip
    def post(self, request: Request, report: int, said: dict[str, Any]) -> HarmReport:
        """Answer it; everybody reads that where the reporter allows it, and their address is forgotten."""
        user = self.person(request)
        return actions.end(report=_found(user, report), verb=Verb.ANSWER, answer=said["answer"], by=user)


class HarmClosed(Scoped):
    """`/api/v1/harm-reports/<report>/close`."""

    @Operation(
        name="closeHarmReport", tag=TAG, scopes=(MANAGE,), takes=HarmEnded, gives=HarmReportShape, problems=(404,),
        example={"answer": "It was sent twice."},
    )  # fmt: skip
    def post(self, request: Request, report: int, said: dict[str, Any]) -> HarmReport:
        """Close it with words that its reporter alone reads; their address is forgotten."""
        user = self.person(request)
        return actions.end(report=_found(user, report), verb=Verb.CLOSE, answer=said["answer"], by=user)


def _of(user: User) -> QuerySet[HarmReport]:
    rows: QuerySet[HarmReport] = HarmReport.objects.of_labs_of(user)
    return rows.select_related("lab", "model__lab", "family__lab")


def _found(user: User, pk: int) -> HarmReport:
    found = _of(user).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such report, or it was sent to another laboratory."))
    return found
