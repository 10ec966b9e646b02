"""A reviewer's own page for times away."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import actions, forms, substitutes
from portal.access.application_models import STAFF
from portal.access.desk_models import Substitute
from portal.access.views.staff import memberships, staff
from portal.errors import Invalid, NotFound
from portal.people.models import Lab, Membership, Role, User

PAST = 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def absence(request: HttpRequest) -> HttpResponse:
    """Who acts in my place and when; whom I stand in for."""
    user = staff(request)
    labs = list(Lab.objects.filter(pk__in=memberships(user).filter(role=Role.REVIEWER).values("lab")))
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            _name(request, user, labs)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Arranged. Your substitute has a mail."))
            return redirect("access:absence")
    context = {
        "labs": [(lab, _colleagues(lab, user)) for lab in labs],
        "mine": Substitute.objects.filter(reviewer=user).select_related("substitute", "lab")[:PAST],
        "others": substitutes.standing().filter(substitute=user).select_related("reviewer", "lab"),
        "today": timezone.now().date(),
        **forms.marked(problems, _labels()),
        "typed": request.POST,
    }
    return render(request, "access/absence.html", context, status=422 if problems else 200)


def _labels() -> dict[str, str]:
    return {"substitute": _("Substitute"), "starts_on": _("First day"), "ends_on": _("Last day")}


def _name(request: HttpRequest, user: User, labs: list[Lab]) -> None:
    slug, _colon, pk = request.POST.get("substitute", "").partition(":")
    lab = next((each for each in labs if each.slug == slug), None)
    person = next((each for each in _colleagues(lab, user) if str(each.pk) == pk), None) if lab else None
    days = {name: _day(request.POST.get(name, "")) for name in ("starts_on", "ends_on")}
    problems = {} if lab and person else {"substitute": [_("Choose somebody of your lab.")]}
    problems |= {name: [_("Write a day, for example 2026-12-24.")] for name, day in days.items() if day is None}
    if lab is None or person is None or days["starts_on"] is None or days["ends_on"] is None:
        raise Invalid(_("Some answers need another look."), fields=problems)
    first, last = days["starts_on"], days["ends_on"]
    actions.name_substitute(by=user, lab=lab, substitute=person, starts_on=first, ends_on=last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _colleagues(lab: Lab, user: User) -> list[User]:
    held = Membership.objects.active().filter(lab=lab, role__in=STAFF).values("user")
    return list(User.objects.filter(pk__in=held).exclude(pk=user.pk).order_by("name", "email"))


@login_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a substitution back."""
    user = staff(request)
    if pk > 2**31:
        raise NotFound(_("There is no such substitute."))
    actions.end_substitute(by=user, pk=pk)
    messages.success(request, _("Taken back."))
    return redirect("access:absence")
