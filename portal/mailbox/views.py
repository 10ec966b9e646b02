"""The mailbox page. It shows every mail to anybody, so it exists in the demo only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from portal.mailbox.models import Mail

PAGE = 50
View = Callable[..., HttpResponse]


def demo_only(view: View) -> View:
    """Answer 404 unless this installation keeps its mail here."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.MODE not in {"demo", "test"}:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@demo_only
@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """List the mails, newest first; `?to=` keeps those of one address."""
    to = request.GET.get("to", "").strip().lower()
    kept = Mail.objects.filter(to__contains=[to]) if to else Mail.objects.all()
    page = Paginator(kept.only("to", "subject", "sent_at"), PAGE).get_page(request.GET.get("page"))
    return render(request, "people/mailbox.html", {"page": page, "to": to})


@demo_only
@require_safe
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one mail; its links can be followed."""
    return render(request, "people/mail.html", {"mail": get_object_or_404(Mail, pk=pk)})
