"""Pages of conversions: ask for one, follow it, its receipt. They belong to the lab; a public result's receipt is public."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal import signing
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import conversion_lifecycle, lifecycle
from releases.conversion import actions, receipts, wishes
from releases.conversion.forms import OPERATION_WORDS, ConvertForm
from releases.conversion_lifecycle import Operation
from releases.conversion_models import Conversion
from releases.models import Model, Revision
from releases.views import about, model_of, revision_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def convert(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """Ask for a conversion of this revision's weights."""
    user, found = signed_in(request), model_of(request, namespace, name)
    _require_staff(user, found)
    shown: Revision = revision_of(request, found, revision)
    paths = list(shown.files.order_by("path").values_list("path", flat=True))
    form = ConvertForm(request.POST or None, paths=paths)
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.request(revision=shown, wish=form.wish(), by=user)
        except Invalid as refused:
            form.take(refused.fields)
        except Conflict as refused:
            problem = refused.message
        else:
            return redirect(made)
    context = about(request, found, shown) | {
        "tab": "revisions",
        "form": form,
        "sources": wishes.sources(paths),
        "able": bool(settings.CONVERTER_PYTHON),
        "problem": problem,
    }
    return render(request, "releases/convert.html", context, status=422 if form.errors else 409 if problem else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def conversion(request: HttpRequest, namespace: str, name: str, conversion: UUID) -> HttpResponse:
    """One conversion: how far it is, what it told, and its receipt."""
    user, found = signed_in(request), model_of(request, namespace, name)
    roles = _require_staff(user, found)
    shown = _conversion(found, conversion)
    if request.method == "POST":
        messages.success(request, _act(request.POST.get("verb", ""), shown, user))
        return redirect(shown)
    told = shown.receipt or {}
    verbs = conversion_lifecycle.verbs(shown.stage, roles)
    context = about(request, found, shown.source) | {
        "tab": "revisions",
        "conversion": shown,
        "verbs": () if shown.source.state == lifecycle.State.WITHDRAWN and not shown.is_live else verbs,
        "operation": OPERATION_WORDS[Operation(shown.operation)],
        "tensors": told.get("tensors", {}),
        "versions": sorted(told.get("versions", {}).items()),
        "checks": receipts.checks(shown) if shown.receipt else None,
        "ours": signing.ours(shown.key_id),
    }
    return render(request, "releases/conversion.html", context)


@require_safe
def receipt(request: HttpRequest, namespace: str, name: str, conversion: UUID) -> HttpResponse:
    """The receipt as signed JSON: the lab's own, and everybody's once the result was published."""
    found = model_of(request, namespace, name)
    shown = _conversion(found, conversion)
    staff = isinstance(request.user, User) and request.user.roles_in(found.lab) & lifecycle.STAFF
    if shown.result is None or not (staff or shown.result.is_public):
        raise NotFound(_("There is nothing at this address."))
    answer = JsonResponse(receipts.envelope(shown), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="conversion-{shown.pk}.json"'
    return answer


def _act(verb: str, shown: Conversion, user: User) -> str:
    match verb:
        case "cancel":
            actions.cancel(conversion=shown, by=user)
            return _("Cancelled. Nothing was changed.")
        case "retry":
            actions.retry(conversion=shown, by=user)
            return _("It waits for the converter again.")
    raise Invalid(_("Choose what to do."))


def _require_staff(user: User, found: Model) -> frozenset[str]:
    roles = frozenset(user.roles_in(found.lab))
    if not roles & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    return roles


def _conversion(found: Model, pk: UUID) -> Conversion:
    shown = (
        Conversion.objects.select_related("source", "result", "asked_by", "model__lab")
        .filter(model=found, pk=pk)
        .first()
    )
    if shown is None:
        raise NotFound(_("There is nothing at this address."))
    return shown
