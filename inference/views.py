"""The receipt of a query, and how to query a model."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from inference import receipts
from inference.models import Pool
from portal.people.views import signed_in
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
