"""The receipt of a query, the allowance of a project, for its lab; and how to query a model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from inference import receipts, usage
from inference.actions import set_allowance
from inference.forms import AllowanceForm
from inference.models import Pool
from portal.agreements.actions import require_manager
from portal.errors import NotFound
from portal.people.views import signed_in
from portal.projects.models import Project
from releases import policy
from releases.models import Model
from releases.views import model_of, reader


@login_required
@require_safe
def receipt_json(request: HttpRequest, request_id: str) -> HttpResponse:
    """The signed receipt of one of the person's own requests."""
    receipt = receipts.draw(by=signed_in(request), request_id=request_id)
    response = JsonResponse(receipts.envelope(receipt), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="{receipt.request_id}.json"'
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def allowance(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What a project of one's lab may use; the lab's page of a grant shows the same form and comes back to itself."""
    user = signed_in(request)
    project = Project.objects.filter(pk=pk, lab__isnull=False).select_related("lab").first()
    if project is None or project.lab is None or not user.roles_in(project.lab):
        raise NotFound(_("There is no such project, or it belongs to another lab."))
    burn = usage.burn_of(project, timezone.now())
    asked = request.POST.get("back", "")
    back = asked if url_has_allowed_host_and_scheme(asked, allowed_hosts=None) else request.path
    form = AllowanceForm.of(burn)
    if request.method == "POST":
        form = AllowanceForm(request.POST, auto_id="allowance_%s")
        if form.is_valid():
            require_manager(user, project.lab)
            top_class = form.cleaned_data["top_class"] or None
            set_allowance(by=user, project=project, limits=form.limits(), ends_at=form.ends_at, top_class=top_class)
            messages.success(request, _("Set. It holds from the next request on."))
            return redirect(back)
    context = {"form": form, "burn": burn, "back": back}
    return render(request, "inference/allowance.html", context, status=422 if form.errors else 200)


@require_safe
def query(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """How to query one model, with commands that work as shown, and what the reader still needs for it."""
    model = model_of(request, namespace, name)
    pool = Pool.objects.serving().proper().filter(model=model).first()
    context: dict[str, Any] = {
        "model": model,
        "pool": pool,
        "backends": [backend for backend in pool.backends.all() if not backend.draining] if pool else [],
        "verdict": right_to(request, model),
        "base_url": settings.BASE_URL,
    }
    context["allowed"] = isinstance(context["verdict"], policy.Allow)
    return render(request, "inference/query.html", context)


def right_to(request: HttpRequest, model: Model) -> policy.Allow | policy.Deny:
    """Whether the reader may query it, and if not, what is missing."""
    return policy.decide(
        person=reader(request), scopes=None, model=model, revision=None, capability=policy.QUERY, now=timezone.now()
    )
