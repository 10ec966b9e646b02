"""The page of a logbook's curves, and the same picture as JSON, CSV and SVG. Whoever may see the logbook sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.db.models import Max
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language, gettext, pgettext
from django.views.decorators.http import require_safe

from portal.errors import NotFound
from portal.people.language import READS
from releases.curves import drawing, figures, marks, picture, reading, tables
from releases.curves.marks import Mark
from releases.curves.picture import Picture
from releases.curves.reading import Asked
from releases.logbook_models import Entry, Logbook
from releases.models import Family, Model
from releases.views import about, model_of, revision_of

ENTRIES: Final = 5000
"""Entries of one logbook that are placed on the picture."""
LISTED: Final = 50
"""Entries that the page lists of the range in view."""
EXCERPT: Final = 700
"""Characters of an entry's text beside the picture; its own page has all."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the curves are of: a model's logbook or a family's, and its addresses."""

    logbook: Logbook
    of: str
    args: tuple[str, str]

    def address(self, form: str = "", **query: object) -> str:
        """The page, or the picture in another form (json, csv, svg)."""
        url = reverse(f"releases:curves{'_' + form if form else ''}_of_{self.of}", args=self.args)
        return f"{url}?{urlencode(query, doseq=True)}" if query else url


def _of_model(request: HttpRequest, namespace: str, name: str) -> Subject:
    return _with_logbook(_subject_of_model(model_of(request, namespace, name)))


def _of_family(_request: HttpRequest, lab: str, slug: str) -> Subject:
    return _with_logbook(_subject_of_family(_family(lab, slug)))


def _with_logbook(subject: Subject | None) -> Subject:
    if subject is None:
        raise NotFound(gettext("There is no logbook here yet, and so no curves."))
    return subject


def _subject_of_model(model: Model) -> Subject | None:
    logbook = Logbook.objects.with_subjects().filter(model=model).first()
    return Subject(logbook, "model", (model.lab.slug, model.name)) if logbook else None


def _subject_of_family(family: Family) -> Subject | None:
    logbook = Logbook.objects.with_subjects().filter(family=family, model=None).first()
    return Subject(logbook, "family", (family.lab.slug, family.slug)) if logbook else None


def _family(lab: str, slug: str) -> Family:
    found = Family.objects.select_related("lab").filter(lab__slug=lab, slug=slug).first()
    if found is None:
        raise NotFound(gettext("There is no family of this name. Begin at the catalogue."))
    return found


@require_safe
def of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The page of a model's curves."""
    model = model_of(request, namespace, name)
    revision = revision_of(request, model, "main", missing_ok=True)
    return _page(request, _subject_of_model(model), about(request, model, revision) | {"tab": "curves"})


@require_safe
def of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """The page of the curves of a family's own logbook."""
    family = _family(lab, slug)
    return _page(request, _subject_of_family(family), {"family": family})


@require_safe
def json_of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponseBase:
    """A window of a model's curves, thinned to the width that is asked for."""
    return _told(request, _of_model(request, namespace, name), _json)


@require_safe
def json_of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponseBase:
    """The same of a family's logbook."""
    return _told(request, _of_family(request, lab, slug), _json)


@require_safe
def csv_of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponseBase:
    """Every point of a window of a model's curves."""
    return _told(request, _of_model(request, namespace, name), _csv)


@require_safe
def csv_of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponseBase:
    """The same of a family's logbook."""
    return _told(request, _of_family(request, lab, slug), _csv)


@require_safe
def svg_of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponseBase:
    """The figure of a model's curves as a file of its own."""
    return _told(request, _of_model(request, namespace, name), _svg)


@require_safe
def svg_of_family(request: HttpRequest, lab: str, slug: str) -> HttpResponseBase:
    """The same of a family's logbook."""
    return _told(request, _of_family(request, lab, slug), _svg)


def _page(request: HttpRequest, subject: Subject | None, context: dict[str, Any]) -> HttpResponse:
    asked = reading.of(request)
    drawn = picture.draw(subject.logbook, asked.wish) if subject else None
    if subject is None or drawn is None:
        return render(request, "releases/curves/page.html", context | {"drawn": None})
    shown = {"logbook": subject.logbook, "page_url": subject.address(), "drawn": drawn}
    entries = _entries(subject.logbook)
    placed = marks.place(entries, drawn.window.axis, drawn.tracks)
    here = [mark for mark in placed if drawn.window.low <= mark.place <= drawn.window.high]
    query = _query(drawn)
    return render(
        request,
        "releases/curves/page.html",
        context
        | shown
        | _figure(drawn, here[: marks.MOST], asked.pick)
        | {
            "picked": next((mark for mark in placed if mark.entry.order == asked.pick), None),
            "here": here[:LISTED],
            "more": max(0, len(here) - LISTED),
            "elsewhere": len(entries) - len(placed),
            "zoomed": (drawn.window.low, drawn.window.high) != drawn.whole,
            "told": figures.derive(drawn.parts, entries, drawn.tracks),
            "lineage": drawing.lineage(drawn),
            "behind": tables.behind(drawn),
            "recordings": subject.logbook.recordings.all()[:LISTED],
            "query": query,
            "whole_url": subject.address(**{key: query[key] for key in ("axis", "series")}),
            "forms": [(form, subject.address(form, **query)) for form in ("csv", "json", "svg")],
            "data_url": subject.address("json"),
            "shapes": marks.SHAPES,
            "words": _words(),
        },
    )


def _words() -> dict[str, str]:
    """What the page's script says."""
    return {
        "busy": gettext("Reading the curves …"),
        "offline": gettext("The curves could not be read again. The figure shows what came last."),
        "many": gettext("There are more entries here than marks. Look closer to see all."),
        "marks": gettext("Entries of the logbook"),
        "entry": gettext("Entry"),
        "step": gettext("step"),
        "log": pgettext("of a scale", "logarithmic"),
        "not_finite": gettext("%(n)s values were not finite numbers"),
        "read": gettext("Its place on this axis was read between two measured points."),
    }


def _figure(drawn: Picture, here: list[Mark], pick: int) -> dict[str, Any]:
    """What the figure's template draws, on the page and in the file alike."""
    return {"drawn": drawn, "figure": drawing.draw(drawn, here), "pick": pick}


def _json(drawn: Picture, subject: Subject, asked: Asked) -> HttpResponseBase:
    axis = drawn.window.axis
    placed = marks.place(_entries(subject.logbook), axis, drawn.tracks)
    here = [mark for mark in placed if drawn.window.low <= mark.place <= drawn.window.high]
    return JsonResponse(
        {
            "logbook": subject.logbook.title,
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
    }


def _csv(drawn: Picture, _subject: Subject, _asked: Asked) -> HttpResponseBase:
    response = StreamingHttpResponse(tables.as_csv(drawn), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="curves.csv"'
    return response


def _svg(drawn: Picture, subject: Subject, asked: Asked) -> HttpResponseBase:
    placed = marks.place(_entries(subject.logbook), drawn.window.axis, drawn.tracks)
    context = _figure(drawn, placed[: marks.MOST], asked.pick) | {"logbook": subject.logbook}
    response = HttpResponse(render_to_string("releases/curves/figure.svg", context), content_type="image/svg+xml")
    response["Content-Disposition"] = 'attachment; filename="curves.svg"'
    return response


def _told(
    request: HttpRequest, subject: Subject, tell: Callable[[Picture, Subject, Asked], HttpResponseBase]
) -> HttpResponseBase:
    """The picture in another form; asked again by its ETag, nothing is read that did not change."""
    etag = _etag(request, subject.logbook)
    if (known := get_conditional_response(request, etag=etag)) is not None:
        return known
    asked = reading.of(request)
    drawn = picture.draw(subject.logbook, asked.wish)
    if drawn is None:
        raise NotFound(gettext("There are no curves in this logbook yet."))
    response = tell(drawn, subject, asked)
    response["ETag"] = etag
    patch_vary_headers(cast("HttpResponse", response), (*READS, "Accept"))
    shared = subject.logbook.model is None or subject.logbook.model.opened_at is not None
    patch_cache_control(cast("HttpResponse", response), no_cache=True, **{"public" if shared else "private": True})
    return response


def _etag(request: HttpRequest, logbook: Logbook) -> str:
    newest = logbook.recordings.aggregate(newest=Max("pk"))["newest"] or 0
    return f'"{logbook.pk}-{newest}-{logbook.changed_at.timestamp():.6f}-{get_language()}"'


def _entries(logbook: Logbook) -> list[Entry]:
    """The entries that stand, in their order, without their whole texts."""
    standing = logbook.entries.standing().select_related("run").defer("text", "words")
    return list(standing.annotate(begins=Left("text", EXCERPT)).order_by("order")[:ENTRIES])


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
