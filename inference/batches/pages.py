"""Batches for people: those of one's projects, and one with its counts, its files and the button that stops it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from inference import batch_lifecycle as lifecycle
from inference.batch_lifecycle import Verb
from inference.batch_models import Batch, BatchFile
from inference.batches import actions, api
from portal.errors import NotFound
from portal.people.models import User
from portal.people.views import signed_in

ROWS: Final = 50


@login_required
@require_safe
def batches(request: HttpRequest) -> HttpResponse:
    """The batches of all projects that one belongs to, the newest first."""
    page = Paginator(_of(signed_in(request)), ROWS).get_page(request.GET.get("page"))
    return render(request, "inference/batches.html", {"page": page, "base_url": settings.BASE_URL})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def batch(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One batch: how far it is, what went wrong, its files. POST cancels it."""
    user = signed_in(request)
    shown = _named(user, pk)
    if request.method == "POST":
        actions.cancel(batch=shown, by=user)
        messages.success(request, _("Cancelled. Rows under way are broken off; what was answered stays."))
        return redirect(shown)
    return render(request, "inference/batch.html", {"batch": shown, **_facts(shown)})


@login_required
@require_safe
def batch_file(request: HttpRequest, pk: UUID, field: str) -> HttpResponseBase:
    """One of a batch's files: its input, output or errors."""
    shown = _named(signed_in(request), pk)
    names = {"input": shown.input_file, "output": shown.output_file, "errors": shown.error_file}
    files = BatchFile.objects.filter(project=shown.project_id, expires_at__gt=timezone.now())
    wanted = names.get(field)
    found = files.filter(pk=wanted).first() if wanted else None
    if found is None:
        raise NotFound(_("This file is gone: it was deleted, or its time is over."))
    return api.content(found)


def _of(user: User) -> QuerySet[Batch]:
    mine = Batch.objects.filter(project__members__user=user, project__members__left_at=None)
    return mine.select_related("project", "owner").order_by("-created_at", "-pk")


def _named(user: User, pk: UUID) -> Batch:
    found = _of(user).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such batch in a project of yours."))
    return found


def _facts(shown: Batch) -> dict[str, Any]:
    """What the page says beside the row's own fields."""
    now = timezone.now()
    passed_s = ((shown.ended_at or now) - shown.began_at).total_seconds() if shown.began_at else 0
    wanted = {"input": shown.input_file, "output": shown.output_file, "errors": shown.error_file}
    held = BatchFile.objects.filter(pk__in=[pk for pk in wanted.values() if pk], expires_at__gt=now).in_bulk()
    return {
        "rate": round(60 * shown.answered / passed_s, 1) if passed_s >= 1 and shown.answered else None,
        "files": [(field, held[pk]) for field, pk in wanted.items() if pk in held],
        "cancellable": lifecycle.next_state(shown.state, Verb.CANCEL) is not None,
    }
