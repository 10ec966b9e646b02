"""Pages of reproductions: report one, look at one, and the list that a lab works through."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import Membership, User
from portal.people.views import signed_in
from releases import lifecycle
from releases.evaluation_verdicts import REPORTER, State, Verb, verbs
from releases.evaluations import reproducing
from releases.evaluations.reproduction_forms import ReproductionForm, ReviewForm
from releases.evaluations.views import score_of
from releases.reproduction_models import STATES, Reproduction
from releases.views import reader

PAGE: Final = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def reproduce(request: HttpRequest, pk: int) -> HttpResponse:
    """Report that one measured a score again."""
    user, shown = signed_in(request), score_of(request, pk)
    form = ReproductionForm(request.POST if request.method == "POST" else None, score=shown)
    if request.method == "POST" and form.is_valid():
        try:
            made = reproducing.report_reproduction(score=shown, by=user, **form.report())
        except Invalid as fault:
            form.take(fault.fields)
        except (Conflict, NotAllowed) as fault:
            form.take({"": [fault.message]})
        else:
            messages.success(request, _("Thank you. Your report stands beside the score."))
            return redirect(made)
    context = {"score": shown, "form": form, "own_lab": bool(user.roles_in(shown.lab))}
    return render(request, "releases/evaluations/reproduce.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def reproduction(request: HttpRequest, pk: int) -> HttpResponse:
    """One report with its arithmetic; the lab answers it here, and who reported it takes it back."""
    rows = Reproduction.objects.select_related("by", "reviewed_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such report."))
    found.score = score_of(request, found.score_id)
    person = reader(request)
    roles = _roles(person, found)
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if person is None or not roles:
            raise NotFound(_("There is nothing at this address."))
        if form.is_valid() and _done(request, found, form, person):
            return redirect(found)
    context = {"report": found, "score": found.score, "form": form, "verbs": verbs(found.state, roles)}
    return render(request, "releases/evaluations/reproduction.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def reproductions(request: HttpRequest) -> HttpResponse:
    """What others report on the scores of one's labs, those first that nobody has looked at; with `?show=`, one state."""
    user = signed_in(request)
    labs = Membership.objects.active().filter(user=user, role__in=lifecycle.STAFF).values("lab")
    if not labs.exists():
        raise NotFound(_("There is nothing at this address."))
    of_labs = Q(score__revision__model__lab__in=labs) | Q(score__family__lab__in=labs)
    show = request.GET.get("show", State.REPORTED)
    rows = Reproduction.objects.filter(of_labs).select_related(
        "score__revision__model__lab", "score__family__lab", "by"
    )
    shown = rows.filter(state=show) if show in set(State) else rows
    page = Paginator(shown.order_by("reported_at", "pk"), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "show": show, "states": STATES}
    return render(request, "releases/evaluations/reproductions.html", context)


def _done(request: HttpRequest, found: Reproduction, form: ReviewForm, person: User) -> bool:
    verb = request.POST.get("verb", "")
    if verb == Verb.WITHDRAW:
        reproducing.withdraw_reproduction(reproduction=found, by=person)
        messages.success(request, _("Taken back. It counts no more."))
        return True
    if verb not in {Verb.ACCEPT, Verb.QUESTION}:
        raise Invalid(_("Choose what to do."))
    try:
        reproducing.review_reproduction(reproduction=found, verb=Verb(verb), note=form.cleaned_data["note"], by=person)
    except Invalid as fault:
        form.take(fault.fields)
        return False
    messages.success(request, _("Your word stands beside the report, and its reporter is written to."))
    return True


def _roles(person: User | None, found: Reproduction) -> frozenset[str]:
    """What this person is to the report: the lab's staff, its reporter, or nothing."""
    if person is None:
        return frozenset()
    own = REPORTER if found.by_id == person.pk else frozenset()
    return frozenset(person.roles_in(found.score.lab)) & lifecycle.STAFF | own
