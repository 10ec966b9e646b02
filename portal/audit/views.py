"""The signed roots, so that anybody can keep them and hold the portal to them."""

from __future__ import annotations

from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal import signing
from portal.audit import roots
from portal.audit.models import Root

PAGE: Final = 100


@require_safe
def roots_json(request: HttpRequest) -> HttpResponse:
    """Roots, newest first, a hundred to a page; `next` is the address of older ones."""
    page = Paginator(Root.objects.order_by("-day"), PAGE).get_page(request.GET.get("page"))
    older = f"{reverse('audit:roots')}?page={page.next_page_number()}" if page.has_next() else None
    told = {
        "algorithm": "Ed25519",
        "public_key": signing.public_key(),
        "former_public_keys": signing.former_public_keys(),
        "roots": [roots.envelope(root) for root in page.object_list],
        "next": older,
    }
    return JsonResponse(told, json_dumps_params={"indent": 2})
