"""The page of a logbook's curves, and the same picture as JSON, CSV and SVG. Whoever may see the logbook sees them."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language, gettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from portal.errors import NotFound
from portal.people.language import READS
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases.curves import drawing, exports, figures, marks, picture, placed, reading, tables
from releases.curves.actions import take_back_curves
from releases.curves.picture import Picture
from releases.curves.reading import Asked
from releases.logbook.shelves import Shelf
from releases.logbook.views import around, kept_shelf, shelf_of
from releases.logbook_lifecycle import Verb, verbs
from releases.logbook_models import Logbook

LISTED: Final = 50
"""Entries that the page lists of the range in view, and files on one page of them."""


@require_safe
def curves(request: HttpRequest, **names: str) -> HttpResponse:
    """The page of a logbook's curves; a family's leads to those of its models too."""
    shelf = shelf_of(request, names)
    asked = reading.of(request)
    drawn = picture.draw(shelf.own, asked.wish) if shelf.own else None
    turned = request.GET.get("recordings")
    told = _drawn(shelf, shelf.own, drawn, asked, turned) if shelf.own and drawn else {"drawn": None}
    return render(request, "releases/curves/page.html", around(request, shelf, "curves") | told)


@login_required
@require_POST
@step_up
def take_back(request: HttpRequest, **names: str) -> HttpResponse:
    """Undo the import of one file, after one question, for those who look after the logbook; to all others it is not there."""
    shelf = kept_shelf(request, names)
    if shelf.own is None:
        raise NotFound(gettext("There is no logbook here yet, and so no curves."))
    found = shelf.own.recordings.filter(sha256=request.POST.get("sha256", "")).first()
    if found is not None and not request.POST.get("sure"):
        asked = {
            "subject": shelf.own.subject.full_name,
            "what": gettext("The curves of %(file)s and all of their points are deleted.") % {"file": found.source},
            "means": gettext("To have them back you import the file again, from your own copy."),
            "kept": {"sha256": found.sha256},
            "back": shelf.url("curves"),
        }
        return render(request, "releases/take_back.html", asked)
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
    response = exports.SHAPES[shape](drawn, logbook, asked)
    response["ETag"] = etag
    patch_vary_headers(cast("HttpResponse", response), (*READS, "Accept"))
    shared = logbook.model is None or logbook.model.opened_at is not None
    patch_cache_control(cast("HttpResponse", response), no_cache=True, **{"public" if shared else "private": True})
    return response


def _drawn(shelf: Shelf, logbook: Logbook, drawn: Picture, asked: Asked, turned: str | None) -> dict[str, Any]:
    told = placed.on(drawn, logbook)
    here, listed = told.here, told.here[:LISTED]
    picked = [mark for mark in told.marks if mark.order == asked.pick]
    query = _query(drawn)
    page = shelf.url("curves")
    return exports.figure(drawn, logbook, here, asked.pick, *listed, *picked) | {
        "logbook": logbook,
        "page_url": page,
        "logbook_url": shelf.url("logbook"),
        "picked": next(iter(picked), None),
        "here": listed,
        "more": len(here) - len(listed),
        "elsewhere": len(told.entries) - len(told.marks),
        "zoomed": (drawn.window.low, drawn.window.high) != drawn.whole,
        "told": figures.derive(drawn.parts, told.entries, drawn.tracks),
        "lineage": drawing.lineage(drawn),
        "behind": tables.behind(drawn),
        "recordings": Paginator(logbook.recordings.all(), LISTED).get_page(turned),
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


def _etag(request: HttpRequest, logbook: Logbook) -> str:
    newest = logbook.recordings.aggregate(newest=Max("pk"))["newest"] or 0
    return f'"{logbook.pk}-{newest}-{logbook.changed_at.timestamp():.6f}-{get_language()}"'


def _query(drawn: Picture) -> dict[str, Any]:
    """The picture's own address, without the picked entry."""
    return {
        "axis": drawn.window.axis,
        "series": ",".join(panel.kind.name for panel in drawn.panels),
        "from": f"{drawn.window.low:.15g}",
        "to": f"{drawn.window.high:.15g}",
    }
