"""A lab's webhooks: see, add and rotate (a secret is shown once), read the log, send again, stop, delete."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.errors import Invalid, NotFound
from portal.people.models import MANAGERS, Lab, Membership, User
from portal.people.views import signed_in
from portal.webhooks import actions, signing
from portal.webhooks.forms import WebhookForm
from portal.webhooks.models import Endpoint

PAGE: Final = 50


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """The list; a POST adds one and shows its secret in place, this once."""
    user = signed_in(request)
    labs = _labs(user)
    form, made = WebhookForm(request.POST or None, labs=labs), {}
    if request.method == "POST":
        made = _add(form, user)
    wrong = request.method == "POST" and not made
    rows = Endpoint.objects.filter(lab__in=labs).select_related("lab")
    context = {"rows": rows, "form": form if wrong else WebhookForm(labs=labs), **made}
    return render(request, "webhooks/list.html", context, status=422 if wrong else 200)


def _add(form: WebhookForm, user: User) -> dict[str, Any]:
    if not form.is_valid():
        return {}
    try:
        endpoint, secret = actions.add_endpoint(by=user, **form.cleaned_data)
    except Invalid as error:
        for name, texts in error.fields.items():
            form.add_error(name, texts)
        return {}
    return {"endpoint": endpoint, "secret": secret}


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def endpoint(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One webhook with everything that was sent there; a new secret is shown in place, this once."""
    user = signed_in(request)
    found, secret = _found(user, pk), ""
    if request.method == "POST" and request.POST.get("verb") == "rotate":
        found, secret = actions.rotate_secret(by=user, endpoint=found)
    elif request.method == "POST":
        messages.success(request, _act(request, found, user))
        return redirect(found)
    page = Paginator(found.deliveries.all(), PAGE).get_page(request.GET.get("page"))
    old_until = found.rotated_at + signing.OVERLAP if found.rotated_at else None
    context = {
        "endpoint": found,
        "page": page,
        "secret": secret,
        "old_until": old_until if old_until and old_until > timezone.now() else None,
    }
    return render(request, "webhooks/endpoint.html", context)


def _found(user: User, pk: UUID) -> Endpoint:
    found = Endpoint.objects.filter(pk=pk, lab__in=_labs(user)).select_related("lab").first()
    if found is None:
        raise NotFound(_("There is no such webhook, or it belongs to another lab."))
    return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask once, then remove it."""
    user = signed_in(request)
    found = _found(user, pk)
    if request.method != "POST":
        return render(request, "webhooks/delete.html", {"endpoint": found})
    actions.delete_endpoint(by=user, endpoint=found)
    messages.success(request, _("Deleted, with the log of what was sent there."))
    return redirect("webhooks:list")


def _act(request: HttpRequest, found: Endpoint, user: User) -> str:
    verb = request.POST.get("verb", "")
    if verb == "stop":
        actions.stop_endpoint(by=user, endpoint=found)
        return _("Stopped. Nothing more is sent there.")
    if verb == "start":
        actions.start_endpoint(by=user, endpoint=found)
        return _("Started. The next event is sent there.")
    number = _uuid(request.POST.get("delivery", ""))
    sent = found.deliveries.filter(pk=number).first() if number else None
    if verb != "replay" or sent is None:
        raise Invalid(_("Choose what to do."), fields={"verb": [_("Choose what to do.")]})
    actions.replay(by=user, delivery=sent)
    return _("Sent again; reload the page to see how it went.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _labs(user: User) -> list[Lab]:
    """The labs whose webhooks this person looks after; NotFound when there are none."""
    held = Membership.objects.active().filter(user=user, role__in=MANAGERS).select_related("lab")
    labs = list({row.lab_id: row.lab for row in held}.values())
    if not labs:
        raise NotFound(_("There is nothing at this address."))
    return labs
