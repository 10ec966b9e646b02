"""Curves for programs: bring a file of numbers, and take it back."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.files import FileBody, Sent
from portal.api.operations import MANAGE, Operation, Scoped
from releases.curve_models import Recording
from releases.curves.actions import import_curves, take_back_curves
from releases.curves.formats import READERS
from releases.logbook.api import TAG, managed

CURVES_MAX: Final = 64 << 20
"""Bytes of a file of numbers that one request brings: about 800,000 rows, read in a quarter of a minute. More: by command."""


class CurvesFile(Taken):
    """What a file of numbers does not say itself."""

    run = serializers.CharField(max_length=120, help_text="The run that it tells of, as the logbook names it.")
    source = serializers.CharField(max_length=300, help_text="The file's name; it tells the format.")  # type: ignore[assignment]
    format = Choice(choices=list(READERS), required=False, default="", help_text="Left out: by the name.")
    replace = serializers.BooleanField(
        required=False, default=False, help_text="Take the place of series that are there."
    )


class CurveShape(serializers.Serializer[Any]):
    """One series of one run."""

    run = serializers.CharField(source="run.name")
    name = serializers.CharField()
    points = serializers.IntegerField()
    left_out = serializers.IntegerField(help_text="Values that were not finite.")


class RecordingShape(serializers.Serializer[Any]):
    """An imported file, and the curves that stand on it."""

    source = serializers.CharField()  # type: ignore[assignment]
    sha256 = serializers.CharField(help_text="Names the import, to take it back.")
    format = serializers.CharField()
    rows = serializers.IntegerField()
    curves = CurveShape(many=True)


class CurvesTakenBack(Taken):
    """Which file."""

    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="Of the file that was imported.")


class CurvesTakenBackShape(serializers.Serializer[Any]):
    """The file whose curves are gone."""

    source = serializers.CharField()  # type: ignore[assignment]
    sha256 = serializers.CharField()


class CurvesOf(Scoped):
    """`/api/v1/logbooks/<logbook>/curves`."""

    parser_classes = [FileBody]

    @Operation(
        name="importCurves", tag=TAG, scopes=(MANAGE,), asks=CurvesFile, takes_file=True, gives=RecordingShape, status=201,
        problems=(404, 503), most=CURVES_MAX,
    )  # fmt: skip
    def post(self, request: Request, logbook: int, asked: dict[str, Any], sent: Sent) -> Recording:
        """Read a file of numbers, the body as it is, as curves of a run. The same file again changes nothing."""
        user = self.person(request)
        with sent.file:
            return import_curves(
                logbook=managed(user, logbook), run=asked["run"], file=sent.file, source=asked["source"], by=user,
                kind=asked["format"], sha256=sent["sha256"], replace=asked["replace"],
            )  # fmt: skip


class CurvesTakenBackOf(Scoped):
    """`/api/v1/logbooks/<logbook>/curves/take-back`."""

    @Operation(
        name="takeBackCurves", tag=TAG, scopes=(MANAGE,), takes=CurvesTakenBack, gives=CurvesTakenBackShape,
        problems=(404, 503), example={"sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, logbook: int, said: dict[str, Any]) -> Recording:
        """Undo the import of a file of numbers while the logbook is open; its points are gone."""
        user = self.person(request)
        return take_back_curves(logbook=managed(user, logbook), sha256=said["sha256"], by=user)
