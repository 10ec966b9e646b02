"""One's access tokens: see, make (shown once), revoke."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.errors import Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from portal.tokens import actions, secrets
from portal.tokens.forms import TokenForm
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind

SOON_DAYS = 7


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponseBase:
    """The list; a POST makes one and shows its secret in place, this once. For one that manages a lab one confirms oneself."""
    manages = request.POST.get("kind") == Kind.SERVICE.value
    return step_up(_tokens)(request) if manages else _tokens(request)


def _tokens(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    made: dict[str, Any] = {}
    form = TokenForm(request.POST or None, user=user)
    status = 200
    if request.method == "POST":
        made = _make(form, user)
        status = 200 if made else 422
        form = TokenForm(user=user) if made else form
    rows = AccessToken.objects.listed().filter(user=user).select_related("project").order_by("-created_at")[:200]
    now = timezone.now()
    context = {"rows": [(row, _state(row)) for row in rows], "form": form, "now": now, **made}
    return render(request, "tokens/list.html", context, status=status)


def _make(form: TokenForm, user: User) -> dict[str, Any]:
    if not form.is_valid():
        return {}
    try:
        token, secret = actions.issue(by=user, **form.asked())
    except Invalid as error:
        for name, texts in error.fields.items():
            form.add_error({"expires_at": "days"}.get(name, name), texts)
        return {}
    return {"token": token, "secret": secret, "for_hub": secrets.for_hub(secret)}


def _state(token: AccessToken) -> str:
    now = timezone.now()
    if token.revoked_at:
        return "revoked"
    if token.expires_at <= now:
        return "ended"
    return "soon" if (token.expires_at - now).days < SOON_DAYS else "active"


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask once, then end it."""
    user = signed_in(request)
    found = AccessToken.objects.filter(pk=pk, user=user).first()
    if found is None:
        raise NotFound(_("There is no such token."))
    if request.method != "POST":
        return render(request, "tokens/revoke.html", {"token": found})
    actions.revoke(by=user, token=found)
    messages.success(
        request, _("Revoked “%(label)s”. Programs that use it see error 401 from now on.") % {"label": found.label}
    )
    return redirect("tokens:list")
