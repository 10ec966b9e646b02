"""The picture as a file: a window thinned to a width (JSON), every point of it (CSV), the figure (SVG)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.template.loader import render_to_string

from portal.xml_texts import sayable
from releases.curves import drawing, marks, picture, placed, tables
from releases.curves.marks import Mark
from releases.curves.picture import Picture
from releases.curves.reading import Asked
from releases.logbook_models import Entry, Logbook


def figure(drawn: Picture, logbook: Logbook, here: list[Mark], pick: int, *beside: Mark) -> dict[str, Any]:
    """What the figure's template draws, on the page and in the file alike; marks that are told beside it are read with its own."""
    figure = drawing.draw(drawn, here)
    placed.tell(logbook, [*(each.mark for each in figure.marks), *beside])
    return {"drawn": drawn, "figure": figure, "pick": pick}


def as_json(drawn: Picture, logbook: Logbook, _asked: Asked) -> HttpResponseBase:
    """The window thinned to a width, with the entries within it."""
    axis, here = drawn.window.axis, placed.on(drawn, logbook).here
    shown = marks.spread(here, drawn.window.low, drawn.window.high)
    placed.tell(logbook, shown)
    return JsonResponse(
        {
            "logbook": logbook.title,
            "axis": axis,
            "axes": drawn.axes,
            "from": drawn.window.low,
            "to": drawn.window.high,
            "whole": drawn.whole,
            "pixels": drawn.window.pixels,
            "panels": [_panel(panel, axis) for panel in drawn.panels],
            "marks": [_mark(mark, mark.entry) for mark in shown if mark.entry],
            "marks_left_out": len(here) - len(shown),
            "idle": drawing.idle(drawn) if axis == "at" else [],
        },
        json_dumps_params={"separators": (",", ":")},
    )


def as_csv(drawn: Picture, _logbook: Logbook, _asked: Asked) -> HttpResponseBase:
    """Every point of the window."""
    response = StreamingHttpResponse(tables.as_csv(drawn), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="curves.csv"'
    return response


def as_svg(drawn: Picture, logbook: Logbook, asked: Asked) -> HttpResponseBase:
    """The figure alone, as the page draws it."""
    context = figure(drawn, logbook, placed.on(drawn, logbook).here, asked.pick) | {"logbook": logbook}
    drawing = sayable(render_to_string("releases/curves/figure.svg", context))
    response = HttpResponse(drawing, content_type="image/svg+xml")
    response["Content-Disposition"] = 'attachment; filename="curves.svg"'
    return response


SHAPES: Final[dict[str, Callable[[Picture, Logbook, Asked], HttpResponseBase]]] = {
    "json": as_json,
    "csv": as_csv,
    "svg": as_svg,
}


def _panel(panel: picture.Panel, axis: str) -> dict[str, Any]:
    bounds, change = panel.bounds, panel.change()
    return {
        "name": panel.kind.name,
        "title": str(panel.kind.title),
        "unit": panel.kind.unit,
        "logarithmic": panel.kind.logarithmic and bool(bounds and bounds[0] > 0),
        "points": panel.counted,
        "not_finite": panel.left_out,
        "least": bounds and bounds[0],
        "greatest": bounds and bounds[1],
        "first": change and change[0],
        "last": change and change[1],
        "lines": [
            {
                "run": line.run.name,
                "segment": line.segment,
                "kept": line.kept,
                "x": [int(place) if place.is_integer() else place for place in line.points.axis(axis)],
                "y": line.points.value.tolist(),
            }
            for line in panel.lines
        ],
    }


def _mark(mark: Mark, entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.order,
        "more": mark.more,
        "place": mark.place,
        "read_off_the_curves": mark.read,
        "shape": mark.shape,
        "kind": entry.get_kind_display(),
        "severity": entry.severity,
        "title": placed.headline(entry),
        "text": placed.excerpt(entry),
        "when": entry.at and entry.at.isoformat(),
        "step": entry.step,
        "run": entry.run and entry.run.name,
        "url": entry.get_absolute_url(),
    }
