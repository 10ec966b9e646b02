"""What a project of one's lab may use, of everything and of one model, and what holds where a project has no allowance of
its own: seen by the lab's staff, set by its managers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from inference import usage
from inference.actions import set_allowance
from inference.allowances import Budget, default, of_lab, of_project
from inference.contract import Limits
from inference.forms import AllowanceForm, LabAllowanceForm, ModelAllowanceForm
from portal.agreements.actions import require_manager
from portal.people.models import Lab
from portal.people.views import signed_in
from portal.projects.models import Project
from releases.models import Model
from releases.views import model_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def allowance(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Of everything; the lab's page of a grant shows the same form and comes back to itself."""
    project, lab = of_project(signed_in(request), pk)
    burn = usage.burn_of(project, timezone.now())
    asked = request.POST.get("back", "")
    back = asked if url_has_allowed_host_and_scheme(asked, allowed_hosts=None) else request.path
    form = _sent(request, AllowanceForm) or AllowanceForm.of_burn(burn)
    if form.is_bound and form.is_valid():
        return _set(request, form, lab, back, project=project)
    context = {"form": form, "burn": burn, "back": back, "models": _models(project, lab)}
    return render(request, "inference/allowance.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_model(request: HttpRequest, pk: UUID, namespace: str, name: str) -> HttpResponse:
    """Of one model, beside what holds for everything; without a figure nothing limits it on its own."""
    project, lab = of_project(signed_in(request), pk)
    model = model_of(request, namespace, name)
    form = _sent(request, ModelAllowanceForm) or _of_model(project, model)
    if form.is_bound and form.is_valid():
        return _set(request, form, lab, reverse("inference:allowance", args=[pk]), project=project, model=model)
    context = {"form": form, "project": project, "model": model}
    return render(request, "inference/allowance_model.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_lab_page(request: HttpRequest, lab: str) -> HttpResponse:
    """Of each project of the lab that has no allowance of its own, and of everybody's personal one."""
    found = of_lab(signed_in(request), lab)
    form = _sent(request, LabAllowanceForm) or _of_lab(found)
    if form.is_bound and form.is_valid():
        return _set(request, form, found, request.path, lab=found)
    context = {"form": form, "lab": found}
    return render(request, "inference/allowance_lab.html", context, status=422 if form.errors else 200)


def _models(project: Project, lab: Lab) -> list[tuple[Model, Limits]]:
    """The models that the lab has published, and whatever else is limited, each with what limits the project on it."""
    budget = Budget.of(project, timezone.now())
    limited = {pk: limits for pk in budget.by_model if (limits := budget.of_model(pk)[0]) != Limits()}
    published = Q(lab=lab, opened_at__isnull=False, withdrawn_at=None)
    models = Model.objects.filter(published | Q(pk__in=limited)).select_related("lab").order_by("lab__slug", "name")
    return [(model, limited.get(model.pk, Limits())) for model in models]


def _sent(request: HttpRequest, form: type[AllowanceForm]) -> AllowanceForm | None:
    return form(request.POST, auto_id="allowance_%s") if request.method == "POST" else None


def _of_model(project: Project, model: Model) -> AllowanceForm:
    limits, until = Budget.of(project, timezone.now()).of_model(model.pk)
    return ModelAllowanceForm.of(limits, until=until)


def _of_lab(lab: Lab) -> AllowanceForm:
    limits, top_class = default(lab, timezone.now())
    return LabAllowanceForm.of(limits, top_class=top_class)


def _set(request: HttpRequest, form: AllowanceForm, managed: Lab, back: str, **whose: Any) -> HttpResponse:
    user = signed_in(request)
    require_manager(user, managed)
    top_class = form.cleaned_data.get("top_class") or None
    set_allowance(by=user, limits=form.limits(), ends_at=form.ends_at, top_class=top_class, **whose)
    messages.success(request, _("Set. It holds from the next request on."))
    return redirect(back)
