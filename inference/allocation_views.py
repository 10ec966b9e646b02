"""Pages of allocation requests: a project's, with the form to ask; the lab's queue; and one request."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from inference import allocation_actions as actions
from inference import usage
from inference.allocation import Party, Status, Verb, verbs
from inference.allocation_forms import AskForm, DeclineForm, GrantForm
from inference.allocation_models import AllocationRequest
from portal.errors import Invalid, NotFound
from portal.people.models import Membership, User
from portal.people.views import signed_in
from portal.projects.models import Project

PAGE: Final = 50
RELATED: Final = ("project__lab", "project__owner", "asked_by", "decided_by", "allowance")


def project_of(user: User, pk: UUID) -> tuple[Project, frozenset[Party]]:
    """A lab's project, and as what somebody acts on its requests. Raises NotFound to strangers and other labs."""
    project = Project.objects.filter(pk=pk, lab__isnull=False).select_related("lab", "owner").first()
    acting = actions.parties(project, user) if project else frozenset()
    if project is None or not acting:
        raise NotFound(_("There is no such project, or it is not yours."))
    return project, acting


def request_of(user: User, pk: UUID) -> tuple[AllocationRequest, frozenset[Party]]:
    """A request, and as what somebody acts on it. Raises NotFound to strangers and other labs."""
    found = AllocationRequest.objects.filter(pk=pk).select_related(*RELATED).first()
    acting = actions.parties(found.project, user) if found else frozenset()
    if found is None or not acting:
        raise NotFound(_("There is no such request, or it is not yours."))
    return found, acting


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_project(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What a project asked for and was given; its lead asks for more there."""
    user = signed_in(request)
    project, acting = project_of(user, pk)
    rows = AllocationRequest.objects.filter(project=project).select_related(*RELATED)
    burn = usage.burn_of(project, timezone.now())
    refused = actions.refusal(project, user)
    form = AskForm(request.POST) if request.method == "POST" else AskForm.of(burn.limits)
    if request.method == "POST":
        if refused is not None:
            raise refused
        made = _asked(form, user, project)
        if made is not None:
            messages.success(request, _("Sent. Somebody of the lab decides; we will write."))
            return redirect(made)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    why = refused.message if refused is not None and Party.LEAD in acting else ""
    context = {"project": project, "burn": burn, "page": page, "form": None if refused else form, "refused": why}
    return render(request, "inference/allocation_project.html", context, status=422 if form.errors else 200)


def _asked(form: AskForm, user: User, project: Project) -> AllocationRequest | None:
    """The request; None where the form says what is wrong."""
    if not form.is_valid():
        return None
    try:
        return actions.ask_for_allocation(by=user, project=project, **form.cleaned_data)
    except Invalid as error:
        form.take(error.fields)
        return None


@login_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The requests of the projects of one's labs: what waits, the oldest first, then what is closed."""
    user = signed_in(request)
    if not Membership.objects.active().filter(user=user).exists():
        raise NotFound(_("There is nothing at this address."))
    rows, shown = of_labs(user), request.GET.get("show", "")
    closed = ~Q(status=Status.SUBMITTED)
    rows = rows.filter(closed).order_by("-closed_at") if shown == "closed" else rows.exclude(closed).order_by("sent_at")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "inference/allocation_queue.html", {"page": page, "closed": shown == "closed"})


def of_labs(user: User) -> Any:  # noqa: ANN401 a QuerySet of requests
    """The requests of the projects of somebody's labs, but those of projects they belong to."""
    labs = Membership.objects.active().filter(user=user).values("lab")
    inside = Project.objects.filter(Q(owner=user) | Q(members__user=user, members__left_at=None))
    rows = AllocationRequest.objects.filter(project__lab__in=labs).exclude(project__in=inside)
    return rows.select_related(*RELATED)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request, for its project and its lab; the lead takes it back there, somebody of the lab decides."""
    user = signed_in(request)
    found, acting = request_of(user, pk)
    burn = usage.burn_of(found.project, timezone.now())
    forms = {Verb.GRANT: GrantForm.of(found, burn.limits), Verb.DECLINE: DeclineForm()}
    wrong = False
    if request.method == "POST":
        said = _act(request, found, user, forms)
        if said:
            messages.success(request, said)
            return redirect(found)
        wrong = True
    may = set(verbs(found.status, acting))
    barred = actions.barred(user, found) if Verb.GRANT in may else ()
    context = {
        "asked": found,
        "burn": burn,
        "may_withdraw": Verb.WITHDRAW in may,
        "may_decide": Verb.GRANT in may and not barred,
        "barred": barred,
        "grant_form": forms[Verb.GRANT],
        "decline_form": forms[Verb.DECLINE],
        "earlier": found.project.allocation_requests.exclude(pk=found.pk).select_related(*RELATED)[:PAGE],
        "staff": not acting & {Party.LEAD, Party.MEMBER},
    }
    return render(request, "inference/allocation_request.html", context, status=422 if wrong else 200)


def _act(request: HttpRequest, found: AllocationRequest, user: User, forms: dict[Verb, Any]) -> str:
    """What was done, in words; empty where a form says what is wrong."""
    verb = request.POST.get("verb", "")
    if verb == Verb.WITHDRAW:
        actions.withdraw_allocation(by=user, request=found)
        return _("Taken back. The allowance stays as it is.")
    if verb not in forms:
        raise Invalid(_("Choose what to do."), fields={"verb": [_("Choose what to do.")]})
    chosen = Verb(verb)
    form = GrantForm(request.POST, auto_id="grant_%s") if chosen == Verb.GRANT else DeclineForm(request.POST)
    forms[chosen] = form
    if not form.is_valid():
        if found.closed_at is not None:
            raise actions.closed_by_now()
        return ""
    do = actions.grant_allocation if chosen == Verb.GRANT else actions.decline_allocation
    try:
        do(by=user, request=found, **form.cleaned_data)
    except Invalid as error:
        form.take(error.fields)
        return ""
    return _("Given. It holds from the next request on.") if chosen == Verb.GRANT else _("Declined. The lead is told.")
