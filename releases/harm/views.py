"""Pages of reports of harm: the form for everybody, a report's status, the public log, and the lab's desk."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Invalid, NotFound, TooMany, Unavailable
from portal.people.models import User
from portal.people.views import signed_in
from releases import lifecycle as releases
from releases.harm import actions, guarding
from releases.harm.forms import EndForm, ReportForm, TriageForm
from releases.harm_lifecycle import State, Verb, verbs
from releases.harm_models import STATES, HarmReport

PAGE: Final = 25


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Report harm or misuse, without an account."""
    form = ReportForm(
        request.POST if request.method == "POST" else None, initial={"subject": request.GET.get("about", "")[:200]}
    )
    if request.method == "POST" and form.is_valid():
        kept = _received(request, form)
        if kept is not None:
            messages.success(
                request, _("Your report has arrived. Keep the address of this page: it shows how it stands.")
            )
            return redirect(kept.status_path())
    form.refresh()
    return render(request, "releases/harm/report.html", {"form": form}, status=422 if form.errors else 200)


def _received(request: HttpRequest, form: ReportForm) -> HarmReport | None:
    told = form.cleaned_data
    try:
        subject = form.found()
        guarding.require_person(sealed=told["sealed"], trap=told["website"], text=told["text"])
        guarding.count(request)
        return actions.receive(
            subject=subject, about=told["about"], text=told["text"], email=told["email"], publish=told["publish"]
        )
    except forms.ValidationError as fault:
        form.take({"subject": fault.messages})
    except Invalid as fault:
        form.take(fault.fields or {"": [fault.message]})
    except (TooMany, Unavailable) as fault:
        form.take({"": [fault.message]})
    return None


@require_safe
def status(request: HttpRequest, token: str) -> HttpResponse:
    """How one report stands, for whoever has its address."""
    found = HarmReport.objects.by_token(token)
    if found is None:
        raise NotFound(_("There is no report at this address. Copy it whole from the mail or the receipt."))
    response = render(request, "releases/harm/status.html", {"report": found, "steps": _steps(found)})
    patch_cache_control(response, private=True, no_store=True)
    return response


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """Answered reports, as far as their reporters allow it; the rest is counted."""
    rows = HarmReport.objects.log().select_related("lab", "model__lab", "family__lab").order_by("-ended_at", "-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    ended = HarmReport.objects.filter(state=State.ANSWERED).count()
    return render(request, "releases/harm/log.html", {"page": page, "unshown": ended - page.paginator.count})


@login_required
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Reports to one's labs: those that wait first; with `?show=`, one state."""
    user = signed_in(request)
    if not any(user.roles_in(lab) & releases.STAFF for lab in _labs(user)):
        raise NotFound(_("There is nothing at this address."))
    rows = HarmReport.objects.of_labs_of(user).select_related("lab", "model__lab", "family__lab")
    show = request.GET.get("show", "open")
    shown = rows.open().order_by("received_at", "pk") if show not in set(State) else rows.filter(state=show)
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    return render(request, "releases/harm/desk.html", {"page": page, "show": show, "states": STATES})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One report, for the lab that it was sent to: triage it, answer it, close it."""
    user = signed_in(request)
    rows = HarmReport.objects.of_labs_of(user).select_related("lab", "model__lab", "family__lab", "handled_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such report, or it was sent to another laboratory."))
    verb = request.POST.get("verb", "")
    weighing = TriageForm(request.POST if verb == Verb.TRIAGE else None, initial={"gravity": found.gravity})
    ending = EndForm(request.POST if verb in {Verb.ANSWER, Verb.CLOSE} else None)
    if request.method == "POST" and _done(request, found, user, weighing, ending):
        return redirect(found)
    context: dict[str, Any] = {
        "report": found, "weighing": weighing, "ending": ending, "steps": _steps(found),
        "verbs": verbs(found.state, frozenset(user.roles_in(found.lab))),
    }  # fmt: skip
    return render(request, "releases/harm/one.html", context, status=422 if weighing.errors or ending.errors else 200)


def _done(request: HttpRequest, found: HarmReport, user: User, weighing: TriageForm, ending: EndForm) -> bool:
    verb = request.POST.get("verb", "")
    form = weighing if weighing.is_bound else ending
    if not form.is_bound:
        raise Invalid(_("Choose what to do."))
    if not form.is_valid():
        return False
    try:
        if verb == Verb.TRIAGE:
            actions.triage(report=found, gravity=form.cleaned_data["gravity"], by=user)
        else:
            actions.end(report=found, verb=Verb(verb), answer=form.cleaned_data["answer"], by=user)
    except Invalid as fault:
        form.take(fault.fields)
        return False
    messages.success(request, _("Noted. Whoever has the report’s address sees it there."))
    return True


def _labs(user: User) -> list[Any]:
    return [membership.lab for membership in user.memberships.active().select_related("lab")]


def _steps(found: HarmReport) -> list[dict[str, Any]]:
    """Its history, for the component that draws one."""
    ended = found.state in {State.ANSWERED, State.CLOSED}
    steps: list[dict[str, Any]] = [
        {"when": found.received_at, "title": _("Received"), "state": "done"},
        {"when": found.triaged_at, "title": _("Being looked into"), "state": "done" if found.triaged_at else "todo"},
        {
            "when": found.ended_at,
            "title": _("Closed") if found.state == State.CLOSED else _("Answered"),
            "state": "done" if ended else "todo",
        },
    ]
    return [step for step in steps if step["when"] or not ended]
