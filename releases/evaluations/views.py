"""Pages of scores: tasks, one task side by side, one model's, one score; and the form that imports them."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from portal.people.views import signed_in
from releases import ladder, lifecycle
from releases.evaluation_metrics import Kind
from releases.evaluation_models import KINDS, Score
from releases.evaluations import actions, along, exports, listing, measured, plot, readers
from releases.evaluations.forms import ImportForm, TakeBackForm, WithdrawForm
from releases.models import Model, Revision
from releases.views import about, model_of, reader

PAGE: Final = 100
IMPORTS: Final = 50
"""Imports on one page."""
ALWAYS_ASKED: Final = (Kind.BIAS, Kind.TOXICITY)
"""Kinds whose absence a model's page tells."""


@require_safe
def evaluations(request: HttpRequest) -> HttpResponse:
    """The tasks that were measured; with `?task=`, everything that was measured on one, side by side."""
    asked = listing.Asked.of(request.GET.dict())
    if asked.task:
        return _side_by_side(request, asked)
    page = Paginator(listing.tasks(asked), PAGE).get_page(request.GET.get("page"))
    for row in page.object_list:
        row["words"] = KINDS[row["kind"]]
    return render(request, "releases/evaluations/tasks.html", {"asked": asked, "page": page, "kinds": KINDS})


def _side_by_side(request: HttpRequest, asked: listing.Asked) -> HttpResponse:
    found = listing.find(asked)
    page = Paginator(listing.side_by_side(listing.finished(found)), PAGE).get_page(request.GET.get("page"))
    groups = listing.groups(listing.with_again(page.object_list))
    choices = listing.choices(asked)
    labels = (("metric", _("Metric")), ("family", _("Family")), ("model", _("Model")))
    context = {
        "asked": asked,
        "page": page,
        "groups": groups,
        "plots": plot.plots(groups),
        "along": along.pictures(found),
        "words": groups[0].first.get_kind_display() if groups else "",
        "filters": [(name, label, choices[name], getattr(asked, name)) for name, label in labels],
    }
    return render(request, "releases/evaluations/compare.html", context)


@require_safe
def scores_file(request: HttpRequest, shape: str) -> StreamingHttpResponse:
    """The same scores as the pages show, all of them, as CSV or JSON."""
    if shape not in exports.SHAPES:
        raise NotFound(_("There is no such file. Choose csv or json."))
    write, content_type = exports.SHAPES[shape]
    found = listing.side_by_side(listing.find(listing.Asked.of(request.GET.dict())))
    scores = found.select_related("revision__model__family__lab", "revision__model__lab", "family__lab")
    answer = StreamingHttpResponse(write(scores), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="scores.{shape}"'
    return answer


@require_safe
def of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Every score of one model, by kind; that nothing is known of bias or toxicity is said too."""
    found = model_of(request, namespace, name)
    seen = Revision.objects.visible_to(reader(request)).filter(model=found).values("pk")
    scores = Score.objects.standing().drawn().filter(revision__in=seen)
    page = Paginator(listing.by_kind(listing.finished(scores)), PAGE).get_page(request.GET.get("page"))
    rungs, drawn = ladder.rungs(found), along.pictures(scores)
    measured = set(scores.order_by().values_list("kind", flat=True).distinct())
    context = about(request, found, found.main) | {
        "tab": "evaluations",
        "page": page,
        "sections": listing.sections(listing.with_again(page.object_list)),
        "missing": [(kind, KINDS[kind]) for kind in ALWAYS_ASKED if measured and kind not in measured],
        "keeps": _keeps(request, found),
        "along": drawn,
        "rungs": along.table(rungs, drawn),
        "twins": ladder.twins(rungs),
    }
    return render(request, "releases/evaluations/of_model.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def score(request: HttpRequest, pk: int) -> HttpResponse:
    """One score with all that is known of it; those who look after the lab's releases withdraw it here."""
    shown = score_of(request, pk)
    person = reader(request)
    keeps = bool(person and person.roles_in(shown.lab) & lifecycle.STAFF)
    form = WithdrawForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not keeps:
            raise NotFound(_("There is nothing at this address."))
        if form.is_valid():
            actions.withdraw_score(score=shown, reason=form.cleaned_data["reason"], by=person)
            messages.success(request, _("Withdrawn. Readers see the reason."))
            return redirect(shown)
    task_url = f"{reverse('releases:evaluations')}?{urlencode({'task': shown.task})}"
    listing.with_again([shown])
    reports = shown.reproductions.shown().select_related("by")
    page = Paginator(reports, PAGE).get_page(request.GET.get("page"))
    context = {"score": shown, "form": form, "keeps": keeps, "task_url": task_url, "page": page}
    context["here"] = measured.of(shown)
    return render(request, "releases/evaluations/score.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def import_evaluations(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Import a harness's file, for those who look after the lab's releases; to all others it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    problem = ""
    if request.method == "POST" and request.POST.get("verb") == "take_back":
        if asked := _asked_about(request, found):
            return render(request, "releases/take_back.html", asked)
        try:
            return _taken_back(request, found, user)
        except (Conflict, NotFound) as refused:
            problem = refused.message
    sent = request.method == "POST" and not problem
    form = ImportForm(request.POST if sent else None, request.FILES if sent else None, model=found)
    if sent and form.is_valid() and _imported(request, form, user):
        return redirect("releases:model_evaluations", found.lab.slug, found.name)
    context: dict[str, Any] = about(request, found, found.main) | {"tab": "evaluations", "form": form}
    imports = Paginator(listing.imports_into_drafts(found), IMPORTS).get_page(request.GET.get("imports"))
    context |= {"problem": problem, "imports": imports}
    status = 409 if problem else 422 if form.errors else 200
    return render(request, "releases/evaluations/import.html", context, status=status)


def _asked_about(request: HttpRequest, found: Model) -> dict[str, Any] | None:
    """What taking an import back would delete, until somebody has said that they mean it."""
    form = TakeBackForm(request.POST)
    if request.POST.get("sure") or not form.is_valid():
        return None
    commit, at = form.cleaned_data["commit"], form.cleaned_data["at"]
    one = listing.imports_into_drafts(found).filter(revision__commit=commit, entered_at=at).first()
    if one is None:
        return None
    what = ngettext("%(n)d score is deleted.", "%(n)d scores are deleted.", one["scores"]) % {"n": one["scores"]}
    means = _("To have them back you import the file again, from your own copy.")
    kept = {"commit": one["commit"], "at": one["at"].isoformat()}
    return {"subject": found.full_name, "what": what, "means": means, "kept": kept, "back": request.path}


def _taken_back(request: HttpRequest, found: Model, user: User) -> HttpResponse:
    form = TakeBackForm(request.POST)
    commit = form.cleaned_data["commit"] if form.is_valid() else ""
    revision = found.revisions.filter(commit=commit).first() if commit else None
    if revision is None:
        raise NotFound(_("There is no such import here. Choose one from the list."))
    n = actions.take_back_scores(revision=revision, at=form.cleaned_data["at"], by=user)
    messages.success(request, ngettext("%(n)d score was taken back.", "%(n)d scores were taken back.", n) % {"n": n})
    return redirect(request.path)


def _imported(request: HttpRequest, form: ImportForm, user: User) -> bool:
    content = form.content()
    try:
        rows = readers.read(content, form.said())
        told = actions.import_scores(revision=form.chosen(), rows=rows, by=user)
    except Invalid as fault:
        form.give_back(content)
        form.take(fault.fields or {"document": [fault.message]})
        return False
    words = ngettext("%(n)d score was imported.", "%(n)d scores were imported.", told.added) % {"n": told.added}
    if told.known:
        words += " " + ngettext("%(n)d was known.", "%(n)d were known.", told.known) % {"n": told.known}
    messages.success(request, words)
    return True


def score_of(request: HttpRequest, pk: int) -> Score:
    """The score, as far as the reader may know of its revision. Raises NotFound."""
    found = Score.objects.drawn().filter(pk=pk).first()
    person = reader(request)
    if found is None or not (
        found.revision is None or found.revision.is_public or (person and person.roles_in(found.lab))
    ):
        raise NotFound(_("There is no such score."))
    known: Score = found
    return known


def _keeps(request: HttpRequest, found: Model) -> bool:
    person = reader(request)
    return bool(person and person.roles_in(found.lab) & lifecycle.STAFF)
