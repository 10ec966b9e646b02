"""Queries that a client sends to the portal's root, since its base address lacks `/v1`: said in the words that it prints."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from inference.batches import wire
from portal.http import wants_json


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def query(request: HttpRequest) -> HttpResponse:
    """404 in OpenAI's shape that names the base address. Raises Http404 for a person with a browser."""
    if request.method != "POST" and not wants_json(request):
        raise Http404
    text = f"There is nothing at {request.path}. Queries go to {settings.BASE_URL}/v1: set base_url, or OPENAI_BASE_URL, to that."
    return wire.problem(404, "unknown_endpoint", text)
