"""The applicant's page to appeal a decline."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, appeals, forms
from portal.access.application_models import Application
from portal.errors import Conflict, Invalid, NotFound
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def appeal(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say once, in the term, what the reviewers overlooked."""
    rows = Application.objects.select_related("gate__lab", "applicant")
    found = rows.filter(pk=pk, applicant=signed_in(request)).first()
    if found is None:
        raise NotFound(_("There is no such application, or it is not yours."))
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            actions.appeal(by=found.applicant, application=found, text=request.POST.get("text", ""))
        except Invalid as error:
            problems = error.fields
        except Conflict as refusal:
            messages.error(request, _refused(found, refusal.message))
            return redirect(found)
        else:
            messages.success(request, _("Your appeal is made. Reviewers who had no part in the decline read it."))
            return redirect(found)
    elif not appeals.may_appeal(found):
        late = _("This application can no longer be appealed. You may apply again.")
        messages.error(request, _refused(found, late))
        return redirect(found)
    context = {
        "application": found,
        "gate": found.gate,
        "until": appeals.deadline(found),
        **forms.marked(problems, {"text": _("What was overlooked")}),
        "typed": request.POST,
    }
    return render(request, "access/appeal.html", context, status=422 if problems else 200)


def _refused(application: Application, why: str) -> str:
    """What is said on the application's page to whoever comes too late, or a second time."""
    return _("You have appealed already, and once is as often as one may.") if hasattr(application, "appeal") else why
