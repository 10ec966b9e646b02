"""Confirmations: the applicant's list of referees, and the public page where a referee answers."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, confirmations, forms
from portal.access.actions import refereeing
from portal.access.application_models import Application
from portal.access.referees import ANSWERS, NAMED, RefereeVerb
from portal.access.views.named import one_of, posted
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Affiliation
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def referees(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Who was asked and who answered, without what they said; POST asks, reminds or takes back."""
    rows = Application.objects.select_related("gate__lab", "applicant")
    found = rows.filter(pk=pk, applicant=signed_in(request), confirmations__gt=0).first()
    if found is None:
        raise NotFound(_("There is no such application, or no confirmation is asked for."))
    problems = posted(request, lambda: _done(request, found)) if request.method == "POST" else {}
    if request.method == "POST" and not problems:
        return redirect("access:referees", found.pk)
    standing = confirmations.standing(found)
    labels = {"name": _("Name"), "email": _("Address"), "relation": _("How they know you")}
    context = {
        "application": found,
        "gate": found.gate,
        "standing": standing,
        "open": found.status in refereeing.OPEN_TO_REFEREES,
        "places": found.confirmations - sum(each.status in NAMED for each in standing.referees),
        "typed": request.POST if problems else {},
        **forms.marked(problems, labels),
    }
    return render(request, "access/referees.html", context, status=422 if problems else 200)


def _done(request: HttpRequest, application: Application) -> str:
    user, verb = signed_in(request), request.POST.get("verb", "")
    if verb == "ask":
        asked = {name: request.POST.get(name, "") for name in ("name", "email", "relation")}
        made = actions.ask_referee(by=user, application=application, **asked)
        return _("%(name)s is asked by mail.") % {"name": made.name}
    if verb not in {"remind", "replace"}:
        raise Conflict(_("Choose what to do."), code="no_verb")
    absent = _("There is no referee of that number here.")
    referee = one_of(application.referees.all(), request.POST.get("person", ""), absent)
    if verb == "remind":
        actions.remind_referee(by=user, referee=referee)
        return _("%(name)s has a new link in the mail; the one before works no longer.") % {"name": referee.name}
    actions.replace_referee(by=user, referee=referee)
    return _("Taken back. Name somebody else.")


@require_http_methods(["GET", "HEAD", "POST"])
def confirmation(request: HttpRequest, secret: str) -> HttpResponse:
    """Who asks, for what, and three answers. For whoever has the link; looking at it answers nothing."""
    found = refereeing.of_secret(secret)
    application = found.application
    place = Affiliation.objects.filter(user=application.applicant_id, ends_at=None).first()
    context = {
        "referee": found,
        "gate": application.gate,
        "applicant": application.applicant.get_full_name(),
        "organisation": place.organisation if place else "",
    }
    if request.method != "POST":
        return render(request, "access/confirmation.html", context)
    problems: dict[str, list[str]] = {}
    try:
        answer = _answer(request.POST.get("answer", ""))
        actions.answer_referee(secret=secret, answer=answer, comment=request.POST.get("comment", ""))
    except Invalid as error:
        problems = error.fields
    else:
        return render(request, "access/confirmation_given.html", context | {"answer": str(answer)})
    labels = {"comment": _("Comment for the reviewers"), "answer": _("Answer")}
    shown = {**forms.marked(problems, labels), "typed": request.POST}
    return render(request, "access/confirmation.html", context | shown, status=422)


def _answer(text: str) -> RefereeVerb:
    if text not in {str(each) for each in ANSWERS}:
        message = _("Choose one of the three answers.")
        raise Invalid(message, fields={"answer": [message]})
    return RefereeVerb(text)
