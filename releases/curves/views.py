"""The page of a logbook's curves, and the same picture as JSON, CSV and SVG. Whoever may see the logbook sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language, gettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from portal.errors import NotFound
from portal.people.language import READS
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases.curves import drawing, figures, marks, picture, reading, tables
from releases.curves.actions import take_back_curves
from releases.curves.marks import Mark
from releases.curves.picture import Picture
from releases.curves.reading import Asked
from releases.logbook.shelves import Shelf
from releases.logbook.views import around, kept_shelf, shelf_of
from releases.logbook_lifecycle import Verb, verbs
from releases.logbook_models import Entry, Logbook

ENTRIES: Final = 5000
"""Entries of one logbook that are placed on the picture."""
LISTED: Final = 50
"""Entries that the page lists of the range in view."""
EXCERPT: Final = 700
"""Characters of an entry's text beside the picture; its own page has all."""


@require_safe
def curves(request: HttpRequest, **names: str) -> HttpResponse:
    """The page of a logbook's curves; a family's leads to those of its models too."""
    shelf = shelf_of(request, names)
    asked = reading.of(request)
    drawn = picture.draw(shelf.own, asked.wish) if shelf.own else None
    told = _drawn(shelf, shelf.own, drawn, asked) if shelf.own and drawn else {"drawn": None}
    return render(request, "releases/curves/page.html", around(request, shelf, "curves") | told)


@login_required
@require_POST
@step_up
def take_back(request: HttpRequest, **names: str) -> HttpResponse:
    """Undo the import of one file, for those who look after the logbook; to all others it is not there."""
    shelf = kept_shelf(request, names)
    if shelf.own is None:
        raise NotFound(gettext("There is no logbook here yet, and so no curves."))
    taken = take_back_curves(logbook=shelf.own, sha256=request.POST.get("sha256", ""), by=signed_in(request))
    messages.success(request, gettext("The curves of %(file)s were taken back.") % {"file": taken.source})
    return redirect(shelf.url("curves"))


@require_safe
def form(request: HttpRequest, shape: str, **names: str) -> HttpResponseBase:
    """The same picture as a file: a window thinned to a width (JSON), every point of it (CSV), the figure (SVG).

    Asked again by its ETag, nothing is read that did not change.
    """
    shelf = shelf_of(request, names)
    logbook = shelf.own
    if logbook is None:
        raise NotFound(gettext("There is no logbook here yet, and so no curves."))
    etag = _etag(request, logbook)
    if (known := get_conditional_response(request, etag=etag)) is not None:
        return known
    asked = reading.of(request)
    drawn = picture.draw(logbook, asked.wish)
    if drawn is None:
        raise NotFound(gettext("There are no curves in this logbook yet."))
    response = _FORMS[shape](drawn, logbook, asked)
    response["ETag"] = etag
    patch_vary_headers(cast("HttpResponse", response), (*READS, "Accept"))
    shared = logbook.model is None or logbook.model.opened_at is not None
    patch_cache_control(cast("HttpResponse", response), no_cache=True, **{"public" if shared else "private": True})
    return response


def _drawn(shelf: Shelf, logbook: Logbook, drawn: Picture, asked: Asked) -> dict[str, Any]:
    entries = _entries(logbook)
    placed = marks.place(entries, drawn.window.axis, drawn.tracks)
    here = [mark for mark in placed if drawn.window.low <= mark.place <= drawn.window.high]
    query = _query(drawn)
    page = shelf.url("curves")
    return _figure(drawn, here[: marks.MOST], asked.pick) | {
        "logbook": logbook,
        "page_url": page,
        "picked": next((mark for mark in placed if mark.entry.order == asked.pick), None),
        "here": here[:LISTED],
        "more": max(0, len(here) - LISTED),
        "elsewhere": len(entries) - len(placed),
        "zoomed": (drawn.window.low, drawn.window.high) != drawn.whole,
        "told": figures.derive(drawn.parts, entries, drawn.tracks),
        "lineage": drawing.lineage(drawn),
        "behind": tables.behind(drawn),
        "recordings": logbook.recordings.all()[:LISTED],
        "takes_back": Verb.TAKE_BACK in verbs(logbook.state, shelf.roles) and shelf.url("curves_take_back"),
        "query": query,
        "whole_url": f"{page}?{urlencode({key: query[key] for key in ('axis', 'series')})}",
        "forms": [(shape, f"{shelf.url(f'curves_{shape}')}?{urlencode(query)}") for shape in ("csv", "json", "svg")],
        "data_url": shelf.url("curves_json"),
        "shapes": marks.SHAPES,
        "words": _words(),
    }


def _words() -> dict[str, str]:
    """What the page's script says."""
    return {
        "busy": gettext("Reading the curves …"),
        "offline": gettext("The curves could not be read again. The figure shows what came last."),
        "many": gettext("There are more entries here than marks. Look closer to see all."),
        "marks": gettext("Entries of the logbook"),
        "entry": gettext("Entry"),
        "whole": gettext("Read the whole entry"),
        "step": gettext("step"),
        "log": pgettext("of a scale", "logarithmic"),
        "not_finite": gettext("%(n)s values were not finite numbers"),
        "read": gettext("Its place on this axis was read between two measured points."),
    }


def _figure(drawn: Picture, here: list[Mark], pick: int) -> dict[str, Any]:
    """What the figure's template draws, on the page and in the file alike."""
    return {"drawn": drawn, "figure": drawing.draw(drawn, here), "pick": pick}


def _json(drawn: Picture, logbook: Logbook, _asked: Asked) -> HttpResponseBase:
    axis = drawn.window.axis
    placed = marks.place(_entries(logbook), axis, drawn.tracks)
    here = [mark for mark in placed if drawn.window.low <= mark.place <= drawn.window.high]
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
            "marks": [_mark(mark) for mark in here[: marks.MOST]],
            "marks_left_out": max(0, len(here) - marks.MOST),
            "idle": drawing.idle(drawn) if axis == "at" else [],
        }
    )


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
                "x": line.points.axis(axis).tolist(),
                "y": line.points.value.tolist(),
            }
            for line in panel.lines
        ],
    }


def _mark(mark: Mark) -> dict[str, Any]:
    entry = mark.entry
    return {
        "number": entry.order,
        "place": mark.place,
        "read_off_the_curves": mark.read,
        "shape": mark.shape,
        "kind": entry.get_kind_display(),
        "severity": entry.severity,
        "title": headline(entry),
        "text": excerpt(entry),
        "when": entry.at and entry.at.isoformat(),
        "step": entry.step,
        "run": entry.run and entry.run.name,
        "url": entry.get_absolute_url(),
    }


def _csv(drawn: Picture, _logbook: Logbook, _asked: Asked) -> HttpResponseBase:
    response = StreamingHttpResponse(tables.as_csv(drawn), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="curves.csv"'
    return response


def _svg(drawn: Picture, logbook: Logbook, asked: Asked) -> HttpResponseBase:
    placed = marks.place(_entries(logbook), drawn.window.axis, drawn.tracks)
    context = _figure(drawn, placed[: marks.MOST], asked.pick) | {"logbook": logbook}
    response = HttpResponse(render_to_string("releases/curves/figure.svg", context), content_type="image/svg+xml")
    response["Content-Disposition"] = 'attachment; filename="curves.svg"'
    return response


_FORMS: Final[dict[str, Callable[[Picture, Logbook, Asked], HttpResponseBase]]] = {
    "json": _json,
    "csv": _csv,
    "svg": _svg,
}


def _etag(request: HttpRequest, logbook: Logbook) -> str:
    newest = logbook.recordings.aggregate(newest=Max("pk"))["newest"] or 0
    return f'"{logbook.pk}-{newest}-{logbook.changed_at.timestamp():.6f}-{get_language()}"'


def _entries(logbook: Logbook) -> list[Entry]:
    """The entries that stand, in their order, without their whole texts."""
    standing = logbook.entries.standing().select_related("run").defer("text", "words")
    found = list(standing.annotate(begins=Left("text", EXCERPT)).order_by("order")[:ENTRIES])
    for entry in found:
        entry.logbook = logbook
    return found


def headline(entry: Entry) -> str:
    """An entry's title; without one, the first sentence of its text."""
    return entry.title or excerpt(entry).partition("\n")[0].partition(". ")[0][:160]


def excerpt(entry: Entry) -> str:
    """The beginning of an entry's text."""
    text = str(getattr(entry, "begins", ""))
    return text + "…" if len(text) == EXCERPT else text


def _query(drawn: Picture) -> dict[str, Any]:
    """The picture's own address, without the picked entry."""
    return {
        "axis": drawn.window.axis,
        "series": ",".join(panel.kind.name for panel in drawn.panels),
        "from": f"{drawn.window.low:.15g}",
        "to": f"{drawn.window.high:.15g}",
    }
