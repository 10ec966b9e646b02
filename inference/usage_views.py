"""What is left and what was used: for the person who used it, for who leads a project, and for the lab of a project."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from inference import allocation_actions, bars, burndown, citing, energy, figures, usage
from inference.figures import WAYS, WAYS_OF_LABS, Asked, Line
from inference.models import UsageRecord
from inference.period_forms import PeriodForm
from portal.access.exports import line as exported
from portal.errors import Invalid, NotFound
from portal.people.models import Lab, Membership, User
from portal.people.views import signed_in
from portal.postgres.cursors import in_pages
from portal.projects.models import Project
from portal.tokens.models import AccessToken

ROWS: Final = 50
PROJECTS: Final = 10
"""Projects whose rulers are on one page."""
CHOICES: Final = 100
"""Projects to choose among; the address takes any, and each project's ruler leads to its own."""
TOP: Final = 20
"""Lines of each table; the file has all."""
_CSV: Final = (
    "request_id", "started_at", "ended_at", "project_id", "token_id", "model", "revision", "endpoint", "stream",
    "status", "prompt_tokens", "completion_tokens", "cached_tokens", "pool",
)  # fmt: skip


@login_required
@require_safe
def usage_page(request: HttpRequest) -> HttpResponse:
    """What is left before what is used: a ruler per project, the sums of a period, then single requests."""
    user, now = signed_in(request), timezone.now()
    projects = usage.projects_of(user)
    shown = Paginator(projects, PROJECTS).get_page(request.GET.get("projects"))
    burns = usage.burns_of(list(shown), now)
    form = _form(request, user)
    page = Paginator(usage.requests_of(user), ROWS).get_page(request.GET.get("page"))
    context = {
        "shown": shown,
        "burns": [(burn, burndown.draw(burn, now)) for burn in burns],
        "usable": set(usage.usable_by(user).filter(pk__in=[burn.project.pk for burn in burns])),
        "askable": allocation_actions.askable(list(shown), user),
        "leads": projects.filter(owner=user).exists(),
        "number": len(burns) + 1,
        "page": page,
        **_told(form, figures.of_person(user)),
        "labels": _labels(user, page.object_list),
        **_drawn(form, figures.of_person(user), WAYS),
    }
    return render(request, "inference/usage.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """One of the page's tables, all of it, as CSV."""
    user = signed_in(request)
    form = _form(request, user)
    return _table(request, form, figures.of_person(user), WAYS)


@login_required
@require_safe
def lab_usage(request: HttpRequest) -> HttpResponse:
    """What the projects of one's labs used in a period."""
    labs, form = _of_labs(request)
    context = {"labs": labs, "number": 1, **_drawn(form, figures.of_labs(labs), WAYS_OF_LABS)}
    return render(request, "inference/lab_usage.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def lab_usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """One of the lab's tables, all of it, as CSV."""
    labs, form = _of_labs(request)
    return _table(request, form, figures.of_labs(labs), WAYS_OF_LABS)


@login_required
@require_safe
def requests_csv(request: HttpRequest) -> HttpResponseBase:
    """Every request of the person's own, oldest first, as CSV."""
    rows = in_pages(usage.requests_of(signed_in(request)), "started_at", "request_id", size=2_000)
    return _file(f"requests-{timezone.now():%Y-%m-%d}", _lines(map(attrgetter(*_CSV), rows)))


def _form(request: HttpRequest, user: User) -> PeriodForm:
    """The form with the first of one's projects to choose among, and the one that is asked for."""
    projects, asked = usage.projects_of(user), request.GET.get("project", "")
    choices = list(projects[:CHOICES])
    if figures.is_id(asked) and asked not in {str(project.pk) for project in choices}:
        choices += projects.filter(pk=asked)
    return PeriodForm(request.GET, projects=choices, today=timezone.now().date())


def _of_labs(request: HttpRequest) -> tuple[list[Lab], PeriodForm]:
    """One's labs, and the form with the one project of theirs that is asked for. To all but staff it is not there."""
    held = Membership.objects.active().filter(user=signed_in(request)).select_related("lab")
    labs = list({row.lab_id: row.lab for row in held}.values())
    if not labs:
        raise NotFound(_("There is nothing at this address."))
    asked = request.GET.get("project", "")
    projects = Project.objects.filter(lab__in=labs, pk=asked) if figures.is_id(asked) else []
    return labs, PeriodForm(request.GET, projects=projects, today=timezone.now().date())


def _asked(form: PeriodForm, whose: Q) -> Asked:
    chosen = form.project_asked
    return Asked(whose & figures.of_project(chosen) if chosen else whose, form.asked)


def _drawn(form: PeriodForm, whose: Q, ways: Iterable[str]) -> dict[str, Any]:
    """What the template of the sums draws. As many queries for one row as for a million."""
    asked = _asked(form, whose)
    way = "hour" if len(asked.period.days) <= 2 else "day"
    sums = {each.key: each for each in asked.lines(way)}
    chosen = form.project_asked
    query = {"first": asked.period.first, "last": asked.period.last} | ({"project": chosen.pk} if chosen else {})
    return {
        "form": form,
        "period": asked.period,
        "total": asked.total(),
        "way": way,
        "figure": bars.draw(sums, asked.period, way=way),
        "tables": [(title, name, *_top(asked, name)) for title, name in _tables() if name in ways],
        "query": urlencode(query),
        "top": TOP,
    }


def _told(form: PeriodForm, whose: Q) -> dict[str, Any]:
    """Energy where a pool has figures, and what to cite where one project is asked for."""
    asked, chosen = _asked(form, whose), form.project_asked
    estimates = energy.of_period(asked)
    return {
        "estimates": estimates if any(each.figures for each in estimates) else [],
        "citation": citing.of(chosen, asked, timezone.now().date()) if chosen else None,
    }


def _tables() -> list[tuple[str, str]]:
    return [(_("By model"), "model"), (_("By project"), "project"), (_("By person"), "person")]


def _top(asked: Asked, way: str) -> tuple[list[Line], bool]:
    """The first lines of a table, and whether there are more."""
    rows = list(asked.by(way)[: TOP + 1])
    names = figures.names_of(way, [row["key"] for row in rows])
    return [figures.line(row, names) for row in rows[:TOP]], len(rows) > TOP


def _table(request: HttpRequest, form: PeriodForm, whose: Q, ways: tuple[str, ...]) -> StreamingHttpResponse:
    way = request.GET.get("by", "day")
    if way not in ways:
        raise NotFound(_("There is no such table. Choose among: %(ways)s.") % {"ways": ", ".join(ways)})
    if form.errors:
        raise Invalid(
            _("This is not a period."),
            fields={name: [str(each) for each in said] for name, said in form.errors.items()},
        )
    asked = _asked(form, whose)
    period = f"{asked.period.first:%Y-%m-%d}-to-{asked.period.last:%Y-%m-%d}"
    return _file(f"usage-by-{way}-{period}", _sums(asked, way))


def _sums(asked: Asked, way: str) -> Iterator[str]:
    rows = list(asked.by(way))
    names = figures.names_of(way, [row["key"] for row in rows])
    yield exported((way, "name", *figures.SUMS, "tokens"))
    for row in rows:
        each = figures.line(row, names)
        counts = (each.requests, each.prompt_tokens, each.completion_tokens, each.cached_tokens, each.tokens)
        yield exported((each.key, each.name, *counts))


def _file(name: str, lines: Iterator[str]) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _labels(user: User, records: Iterable[UsageRecord]) -> dict[str, str]:
    """Token id → its label, for the tokens of these requests that still exist."""
    ids = {record.token_id for record in records if figures.is_id(record.token_id)}
    return {str(token.pk): token.label for token in AccessToken.objects.filter(user=user, pk__in=ids)}


class _Line:
    """A file of one line: csv writes into it and gets the line back."""

    def write(self, line: str) -> str:
        return line


def _lines(rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """Each request with its share of energy and emissions; empty where its pool has no figures."""
    writer = csv.writer(_Line())
    known = energy.all_figures()
    yield writer.writerow((*_CSV, "energy_wh", "co2e_g"))
    for *values, pool in rows:
        told = known.get(pool)
        prompt, completion, cached = values[-3:]
        kwh = told.kwh(prompt=prompt, cached=cached, completion=completion) if told else None
        estimate = ("", "") if told is None or kwh is None else (f"{kwh * 1000:.6g}", f"{told.grams(kwh):.6g}")
        written = (value.isoformat() if isinstance(value, datetime) else value for value in values)
        yield writer.writerow((*written, pool, *estimate))
