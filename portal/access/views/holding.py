"""The holder's pages of a grant: what it is and was, renewing it, closing it out."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal.access import actions, forms, leading, sections
from portal.access.actions import grant_moves, renewing
from portal.access.handover_models import Handover
from portal.access.history import grant_timeline
from portal.access.lifetime import GrantVerb, RenewalStatus, grant_verbs
from portal.access.lifetime_models import REPORT
from portal.access.models import Grant
from portal.errors import Invalid, NotFound
from portal.people.views import signed_in

HINTS: Final = {
    "publications": gettext_lazy("Titles and addresses, one on a line."),
    "use_summary": gettext_lazy("A few sentences. The lab may quote them; leave out what is private."),
    "incidents": gettext_lazy("Lost machines, copies in wrong hands, surprising harm. Early word costs nothing."),
    "changes": gettext_lazy("Who joined or left, where the weights are kept now."),
}


def _held(request: HttpRequest, pk: UUID) -> Grant:
    rows = Grant.objects.select_related("gate__lab", "gate__agreement", "user", "project", "application", "lead__user")
    rows = rows.select_related("institutional__institution", "institutional__official").with_conditions()
    found = rows.filter(pk=pk, user=signed_in(request)).first()
    if found is None:
        raise NotFound(_("There is no such grant, or it is not yours."))
    return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def my_grant(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One grant for its holder: what it opens, what happened, what to do. POST takes a waiting renewal back."""
    found = _held(request, pk)
    if request.method == "POST":
        actions.withdraw_renewal(by=found.user, grant=found)
        messages.success(request, _("Taken back. The grant keeps its end."))
        return redirect(found)
    drawn = sections.of_grant.drawn(found, found.user, request)
    return render(request, "access/my_grant.html", _shown(found) | {"sections": drawn})


def _shown(grant: Grant) -> dict[str, Any]:
    verbs = grant_verbs(grant.state(), grant_moves.parties(grant, grant.user))
    return {
        "grant": grant,
        "gate": grant.gate,
        "grant_state": grant.shown_state,
        "may_renew": GrantVerb.RENEW in verbs and not grant.institutional_id,
        "may_close_out": GrantVerb.CLOSE_OUT in verbs,
        "renewal": renewing.shown(grant),
        "waiting": grant.renewals.filter(status=RenewalStatus.SUBMITTED).first(),
        "timeline": grant_timeline(grant),
        "leads": leading.led_under(grant),
        "offer": Handover.objects.waiting().filter(member__grant=grant).select_related("grant__user").first(),
        "receipts": grant.user.signatures.filter(version__agreement=grant.gate.agreement_id),
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One button when there is nothing to report, four questions otherwise."""
    found = _held(request, pk)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        report = {} if request.POST.get("verb") == "nothing" else {name: request.POST.get(name, "") for name in REPORT}
        try:
            renewal = actions.renew(by=found.user, grant=found, report=report)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _renewed(renewal.status))
            return redirect(found)
    signed = renewing.signed_until(found, renewing.new_end(found))
    wrong = forms.wrong(problems)
    questions = [
        {
            "name": name,
            "label": label,
            "hint": HINTS[name],
            "typed": request.POST.get(name, ""),
            "wrong": wrong.get(name),
        }
        for name, label in REPORT.items()
    ]
    context = {
        **_shown(found),
        "signed": signed,
        "at_once": renewing.needs_no_review(found, unchanged=True),
        "questions": questions,
        "located": forms.located(problems, {name: str(label) for name, label in REPORT.items()}),
    }
    return render(request, "access/renew.html", context, status=422 if problems else 200)


def _renewed(status: str) -> str:
    if status == RenewalStatus.GRANTED:
        return _("Renewed. Your access goes on from its old end.")
    return _("Sent. A reviewer of the lab decides; we will write.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def close_out(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The holder's word that every copy is deleted; it ends a grant that runs."""
    found = _held(request, pk)
    shown = _shown(found)
    if not shown["may_close_out"]:
        return redirect(found)
    problems: dict[str, list[str]] = {}
    typed = {name: request.POST.get(name, "") for name in ("typed_name", "deleted_on", "statement")}
    if request.method == "POST":
        try:
            actions.close_out(
                by=found.user,
                grant=found,
                typed_name=typed["typed_name"],
                deleted_on=_date(typed["deleted_on"]),
                statement=typed["statement"],
            )
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Closed out. Thank you; the lab sees your word."))
            return redirect(found)
    else:
        typed = {"typed_name": "", "deleted_on": timezone.now().date().isoformat(), "statement": _statement(found)}
    labels = {"typed_name": _("Type your full name"), "deleted_on": _("Day"), "statement": _("Statement")}
    context = {**shown, "typed": typed, "team": _resting(found), **forms.marked(problems, labels)}
    return render(request, "access/close_out.html", context, status=422 if problems else 200)


def _resting(grant: Grant) -> int:
    """How many members' access ends with this grant."""
    return grant.team.standing().count()


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _statement(grant: Grant) -> str:
    if "download" in grant.capabilities:
        return _("I have deleted every copy of the weights that I received, from every machine and backup in my hands.")
    return _("I received no weights under this grant and do not need it any longer.")
