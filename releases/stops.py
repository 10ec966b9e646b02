"""The page of emergency stops of one model: what is stopped, what was, and the form that stops it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions, lifecycle
from releases.forms import StopForm
from releases.models import Family, Model, Revision
from releases.stop_models import Stop
from releases.views import about, model_of

PAGE = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def stops(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Stop the release or lift a stop, for those who look after the lab's releases; to all others it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    stopping = request.method == "POST" and request.POST.get("verb") == "stop"
    form = StopForm(request.POST if stopping else None, model=found)
    if request.method == "POST" and _done(request, found, user, form):
        return redirect("releases:stops", found.lab.slug, found.name)
    every = Stop.objects.beside(found)
    context = about(request, found, found.main) | {
        "tab": "revisions",
        "form": form,
        "running": every.in_force(),
        "past": Paginator(every.exclude(lifted_at=None), PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "releases/stops.html", context, status=422 if form.errors else 200)


def _done(request: HttpRequest, found: Model, user: User, form: StopForm) -> bool:
    match request.POST.get("verb"):
        case "lift":
            stop = Stop.objects.beside(found).filter(pk=_number(request.POST.get("stop", ""))).first()
            if stop is None:
                raise NotFound(_("There is no such stop."))
            actions.lift_stop(stop=stop, by=user)
            messages.success(request, _("The stop is lifted."))
            return True
        case "stop":
            return form.is_valid() and _stopped(request, found, user, form)
    raise Invalid(_("Choose what to do."))


def _stopped(request: HttpRequest, found: Model, user: User, form: StopForm) -> bool:
    told = form.cleaned_data
    subject = _subject(found, told["what"])
    try:
        actions.stop_release(subject=subject, by=user, reason=told["reason"], instead=told["instead"])
    except Invalid as error:
        form.take(error.fields)
        return False
    except Conflict as error:
        form.take({"what": [error.message]})
        return False
    messages.success(request, _("Stopped. Every download and query is refused from now on."))
    return True


def _subject(found: Model, what: str) -> Family | Model | Revision:
    if what == "family" and found.family:
        return found.family
    return found if what == "model" else found.revisions.get(commit=what)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
