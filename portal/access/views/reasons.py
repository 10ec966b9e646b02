"""The words of typed reasons: the lab's own or the default, with the mail as the applicant would read it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import actions, forms, previews
from portal.access import reasons as wording
from portal.access.desk_models import ReasonText
from portal.access.views.staff import memberships, staff
from portal.errors import Invalid, NotFound
from portal.mail import registry
from portal.people.models import MANAGERS, Lab


@login_required
@require_safe
def reasons(request: HttpRequest) -> HttpResponse:
    """Every reason of one's labs, with the words that stand."""
    labs = Lab.objects.filter(pk__in=memberships(staff(request)).values("lab"))
    own = {(row.lab_id, row.reason): row.text for row in ReasonText.objects.filter(lab__in=labs)}
    rows = [
        (
            lab,
            [
                (name, label, own.get((lab.pk, name), ""), wording.default(name))
                for name, label in wording.LABELS.items()
            ],
        )
        for lab in labs
    ]
    return render(request, "access/reasons.html", {"labs": rows})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, lab: str, reason: str) -> HttpResponse:
    """Write own words, see the mail, and keep them; no words bring the default back."""
    user = staff(request)
    found = Lab.objects.filter(pk__in=memberships(user).values("lab"), slug=lab).first()
    if found is None or reason not in wording.LABELS:
        raise NotFound(_("There is no such lab or reason."))
    kept = ReasonText.objects.filter(lab=found, reason=reason).first()
    text = request.POST.get("text", kept.text if kept else "").replace("\x00", "")
    problems: dict[str, list[str]] = {}
    if "save" in request.POST:
        try:
            words = actions.word_reason(by=user, lab=found, reason=reason, text=text)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Kept.") if words else _("The default words stand."))
            return redirect("access:reasons")
    context = {
        "lab": found,
        "label": wording.LABELS[reason],
        "text": text,
        "default": wording.default(reason),
        "mail": previews.preview(registry.letter(wording.letter_of(reason)), found, reason, words=text.strip()),
        "may_save": not user.roles_in(found).isdisjoint(MANAGERS),
        **forms.marked(problems, {"text": _("Own words")}),
    }
    return render(request, "access/reason.html", context, status=422 if problems else 200)
