"""The lab's pages of institutional agreements: the list, one of them and what to do with it, and offering a new one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import actions, conflicts, forms, roster
from portal.access.actions.institutional_moves import RELATED
from portal.access.gate_models import Gate
from portal.access.institutional import STANDING, Party, Status, Verb, verbs
from portal.access.institutional_forms import OfferForm, OfficialForm, RefusedForm, TermsForm
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.views.institutional import PAGE, shown
from portal.access.views.staff import managing
from portal.errors import Invalid, NotFound
from portal.outbox import delivery
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in

SHOWN: Final = {
    "running": Q(status__in=STANDING),
    "waiting": Q(status__in=[Status.ASKED, Status.OFFERED]),
    "past": ~Q(status__in=[*STANDING, Status.ASKED, Status.OFFERED]),
    "all": Q(),
}


def _manager(request: HttpRequest) -> User:
    user = signed_in(request)
    if not managing(user).exists():
        raise NotFound(_("There is nothing at this address."))
    return user


def rows_of(user: User) -> QuerySet[InstitutionalAgreement]:
    """Those of the labs that this person manages."""
    return InstitutionalAgreement.objects.filter(gate__lab__in=managing(user).values("lab")).select_related(*RELATED)


def chosen(user: User, show: str, now: datetime) -> QuerySet[InstitutionalAgreement]:
    """Those of them that `show`, a key of SHOWN, asks for."""
    rows = rows_of(user).filter(SHOWN[show])
    return rows.exclude(status__in=STANDING, ends_at__lte=now) if show == "running" else rows


@login_required
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every institution of one's labs: seats taken, confirmed until when, where it stands."""
    user, now = _manager(request), timezone.now()
    show = request.GET.get("show", "")
    show = show if show in SHOWN else "all"
    page = Paginator(chosen(user, show, now), PAGE).get_page(request.GET.get("page"))
    words = {"running": _("running"), "waiting": _("waiting"), "past": _("past"), "all": _("all")}
    waiting = rows_of(user).filter(status=Status.ASKED).count()
    context = {"page": page, "show": show, "shown": words.items(), "waiting": waiting}
    return render(request, "institutional/lab.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One institution's agreement for the lab: decide on it, pause it, end it."""
    user = _manager(request)
    found = rows_of(user).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such agreement, or it belongs to another lab."))
    form = TermsForm(
        request.POST if request.method == "POST" else None, initial={"seats": found.seats, "days": found.days}
    )
    heir = OfficialForm(request.POST if request.POST.get("verb") == Verb.NAME else None)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            messages.success(request, _act(request, found, user, form, heir))
        except Invalid as error:
            problems = error.fields
        else:
            return redirect("access:institutional_lab_one", found.pk)
    labels = {"reason": _("Reason"), "message": _("Message to the official")}
    marked = {**forms.marked(problems, labels), "typed": request.POST}
    shown_form = form if request.POST.get("verb") == Verb.APPROVE else TermsForm(initial=form.initial)
    if heir.is_bound and heir.is_valid():
        heir.take(problems)
    context = {**_context(found, user), **marked, "form": shown_form, "heir": heir}
    return render(request, "institutional/lab_one.html", context, status=422 if problems else 200)


def _context(agreement: InstitutionalAgreement, user: User) -> dict[str, Any]:
    acting = {Party.MANAGER} if agreement.official_id != user.pk else set()
    return {
        **shown(agreement),
        "verbs": verbs(agreement.state(), acting),
        "conflicts": conflicts.between(user, agreement.official) if agreement.status == Status.ASKED else (),
        "attestations": agreement.attestations.select_related("by")[:10],
        "place": roster.colleague(agreement.official, agreement),
        "pending": delivery.pending("rights.changed", key=f"gate:{agreement.gate.full_name}"),
    }


def _act(
    request: HttpRequest, agreement: InstitutionalAgreement, user: User, form: TermsForm, heir: OfficialForm
) -> str:
    verb, said = request.POST.get("verb", ""), {name: request.POST.get(name, "") for name in ("reason", "message")}
    if verb == Verb.APPROVE:
        actions.approve_institutional(by=user, agreement=agreement, **_filled(form))
        return _("Offered. It begins with the official’s signature.")
    if verb == Verb.NAME:
        actions.name_official(by=user, agreement=agreement, **_filled(heir))
        return _("Named. The new official has a mail that says so.")
    if verb == Verb.DECLINE:
        actions.decline_institutional(by=user, agreement=agreement, message=said["message"])
        return _("Declined. The official has your words.")
    if verb == Verb.WITHDRAW:
        actions.withdraw_institutional(by=user, agreement=agreement)
        return _("Taken back.")
    if verb == Verb.SUSPEND:
        actions.suspend_institutional(by=user, agreement=agreement, reason=said["reason"])
        return _("Suspended: no seat works until you resume it.")
    if verb == Verb.RESUME:
        actions.resume_institutional(by=user, agreement=agreement)
        return _("Resumed. Every seat works again.")
    if verb == Verb.REVOKE:
        actions.revoke_institutional(by=user, agreement=agreement, reason=said["reason"])
        return _("Revoked. Every seat has ended.")
    raise Invalid(_("Choose what to do."), fields={"verb": [_("Choose what to do.")]})


def _filled(form: RefusedForm) -> dict[str, Any]:
    if not form.is_valid():
        raise Invalid(
            _("Some answers need another look."),
            fields={name: [str(each) for each in told] for name, told in form.errors.items()},
        )
    return form.cleaned_data


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def offer(request: HttpRequest) -> HttpResponse:
    """Offer an institution an agreement, without its having asked."""
    user = _manager(request)
    gates = Gate.objects.filter(lab__in=managing(user).values("lab")).select_related("lab", "agreement")
    form = OfferForm(
        request.POST if request.method == "POST" else None, gates=gates, initial={"seats": 25, "days": 365}
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.offer_institutional(by=user, **form.values())
        except Invalid as error:
            form.take(error.fields)
        else:
            messages.success(request, _("Offered. The official has a mail that says where to sign."))
            return redirect("access:institutional_lab_one", made.pk)
    return render(request, "institutional/offer.html", {"form": form}, status=422 if form.errors else 200)
