"""Signing: the first time, and again when the text is new."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, forms
from portal.access.application_models import Application
from portal.access.models import Grant
from portal.access.outstanding import asked_of
from portal.access.workflow import Status
from portal.agreements.models import Signature, Version
from portal.agreements.redline import redline, stretches
from portal.errors import Conflict, Invalid, NotFound
from portal.people.second_factor import step_up
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole agreement, then name and capacity. Access begins with the signature."""
    rows = Application.objects.select_related("gate__lab", "gate__agreement", "applicant")
    found = rows.filter(pk=pk, applicant=signed_in(request)).first()
    if found is None:
        raise NotFound(_("There is no such application, or it is not yours."))
    if found.status != Status.APPROVED:
        return redirect(found)
    version = _current(found.gate.agreement.current())
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            grant = actions.sign(by=found.applicant, application=found, expected=None, **_typed(request))
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Signed. Your access has begun."))
            return redirect("agreements:receipt", _newest_receipt(grant))
    context = {"application": found, "gate": found.gate, "until": _until(found.gate.grant_days)}
    return _sign_page(request, version, problems, context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def sign_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A newer text of the agreement, under a grant that one holds."""
    found = (
        Grant.objects.select_related("gate__lab", "gate__agreement", "user")
        .filter(pk=pk, user=signed_in(request))
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such grant, or it is not yours."))
    version = _current(found.gate.agreement.current())
    signed = _newest_signature(found)
    if signed and signed.version_id == version.pk:
        return redirect(signed)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            signature = actions.sign_again(by=found.user, grant=found, **_typed(request))
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Signed. Your access goes on."))
            return redirect(signature)
    changes = stretches(redline(signed.version.text, version.text)) if signed else []
    asked = next((each for each in asked_of(found.user) if each.agreement == found.gate.agreement_id), None)
    context = {"grant": found, "gate": found.gate, "until": found.ends_at, "changes": changes, "asked": asked}
    return _sign_page(request, version, problems, {**context, "signed": signed.version if signed else None})


def _newest_signature(grant: Grant) -> Signature | None:
    rows = grant.user.signatures.filter(version__agreement=grant.gate.agreement_id).select_related("version")
    return rows.order_by("-version__number").first()


def _sign_page(
    request: HttpRequest, version: Version, problems: dict[str, list[str]], context: dict[str, Any]
) -> HttpResponse:
    labels = {"typed_name": _("Type your full name"), "capacity": _("In what capacity?")}
    marked = forms.marked(problems, labels)
    shown = {"version": version, "typed": request.POST, **marked, **context}
    return render(request, "access/sign.html", shown, status=422 if problems else 200)


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in ("typed_name", "capacity", "text_sha256")}


def _current(version: Version | None) -> Version:
    if version is None:
        raise Conflict(
            _("The agreement has no published text yet. The lab has been slow; write to it."), code="no_text"
        )
    return version


def _until(days: int) -> datetime:
    return timezone.now() + timedelta(days=days)


def _newest_receipt(grant: Grant) -> UUID:
    return grant.user.signatures.filter(application=str(grant.application_id)).latest("signed_at").receipt_id
