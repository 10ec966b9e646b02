"""The lab's page of a planned opening: its rules, who approves, what was done, and the steps that are open."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.errors import Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions, lifecycle, opening_words
from releases.actions.opening import parties_of
from releases.forms import OpeningForm
from releases.models import Revision
from releases.opening import LIVE, verbs
from releases.opening_models import Opening, OpeningStep
from releases.views import about, model_of, revision_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def opening(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """One revision's opening, for the lab's staff; managers plan it, named people approve. To others it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    roles = user.roles_in(found.lab)
    if not roles:
        raise NotFound(_("There is nothing at this address."))
    shown: Revision = revision_of(request, found, revision)
    last = Opening.objects.filter(revision=shown).select_related("model__lab", "revision").first()
    form = OpeningForm(request.POST if request.POST.get("verb") == "plan" else None, lab=found.lab)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            done = _planned(shown, user, form) if request.POST.get("verb") == "plan" else _act(request, last, user)
        except Invalid as error:
            if not error.fields:
                raise
            problems, done = error.fields, ""
        if done:
            messages.success(request, done)
            return redirect("releases:opening", found.lab.slug, found.name, shown.commit)
    context = about(request, found, shown) | _context(shown, last, user, roles, form)
    context |= {"problems": problems, "typed": request.POST}
    return render(request, "releases/opening.html", context, status=422 if problems or form.errors else 200)


def _context(
    shown: Revision, last: Opening | None, user: User, roles: frozenset[str], form: OpeningForm
) -> dict[str, Any]:
    live = last if last and last.state in LIVE else None
    other = (
        Opening.objects.live().filter(model=shown.model_id).exclude(revision=shown).select_related("revision").first()
    )
    plannable = bool(roles & lifecycle.STAFF) and live is None and other is None and not shown.is_public
    steps = OpeningStep.objects.filter(opening__revision=shown).select_related("by")
    return {
        "tab": "revisions",
        "opening": last,
        "other": other,
        "standing": opening_words.standing(live) if live else None,
        "named": last.named.select_related("person") if last else [],
        "verbs": verbs(last.state, parties_of(last, user)) if last else (),
        "own": last.named.filter(person=user).first() if last else None,
        "form": form if plannable else None,
        "history": opening_words.history(steps),
    }


def _planned(shown: Revision, user: User, form: OpeningForm) -> str:
    """What to say once it is planned; "" where the form says what is wrong."""
    if not form.is_valid():
        return ""
    try:
        actions.plan_opening(revision=shown, by=user, **form.rules())
    except Invalid as error:
        form.take(error.fields)
        return ""
    return _("Planned. It opens by itself as soon as everything that is set is met.")


def _act(request: HttpRequest, last: Opening | None, user: User) -> str:
    if last is None:
        raise Invalid(_("Choose what to do."))
    reason = request.POST.get("reason", "")
    match request.POST.get("verb"):
        case "approve":
            opened = actions.approve_opening(opening=last, by=user).opened_at
            return _("Approved, and opened.") if opened else _("Approved.")
        case "take_back":
            actions.take_back_approval(opening=last, by=user)
            return _("Your approval is taken back.")
        case "hold":
            actions.hold_opening(opening=last, by=user, reason=reason)
            return _("Held. It does not open before somebody resumes it.")
        case "resume":
            opened = actions.resume_opening(opening=last, by=user).opened_at
            return _("Resumed, and opened: everything was met.") if opened else _("Resumed.")
        case "cancel":
            actions.cancel_opening(opening=last, by=user, reason=reason)
            return _("Cancelled. The revision stays as it is.")
    raise Invalid(_("Choose what to do."))
