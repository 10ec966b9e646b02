"""The try-it page: asks a model from the browser, through the gateway, with a page token (ADR 17)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inference import content, usage
from inference.models import Pool
from inference.sampling import SamplingForm
from inference.views import right_to
from portal.errors import NotFound
from portal.people.models import User
from portal.people.views import signed_in
from portal.projects.models import Kind, Project
from portal.tokens import page_actions
from releases import policy
from releases.models import Model
from releases.views import model_of

PROJECTS: Final = 50
"""How many projects the page offers to charge."""


@never_cache
@require_safe
def tryit(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The page. Who may not query the model reads what is missing, and that nobody serves it where that is so."""
    model = model_of(request, namespace, name)
    pool, verdict = _pool_of(model), right_to(request, model)
    context: dict[str, Any] = {"model": model, "pool": pool, "verdict": verdict, "base_url": settings.BASE_URL}
    if pool is not None and isinstance(verdict, policy.Allow):
        context |= {
            "form": SamplingForm.of(pool),
            "words": _words(),
            "charges": _charges(signed_in(request), verdict),
            "logged": bool(content.key_of(verdict.grant)),
            "content_days": settings.CONTENT_DAYS,
        }
    return render(request, "inference/try.html", context)


@login_required
@never_cache
@require_POST
def token(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """A page token for this model, charged to the project that is named, and what that project has left.

    The rights themselves are the gateway's to ask, as for any token.
    """
    user, model = signed_in(request), model_of(request, namespace, name)
    if _pool_of(model) is None:
        raise NotFound(_("No engine serves %(name)s at present.") % {"name": model.full_name})
    issued, secret = page_actions.issue(
        by=user,
        session=request.session.session_key or "",
        resource=model.full_name,
        project=_project(user, request.POST.get("project", "")),
    )
    burn = usage.burn_of(issued.project, timezone.now()) if issued.project else None
    seconds = int((issued.expires_at - timezone.now()).total_seconds())
    return JsonResponse({"token": secret, "seconds": seconds, "left": burn.left if burn else None}, status=201)


def _pool_of(model: Model) -> Pool | None:
    return Pool.objects.serving().proper().filter(model=model, generates=True).first()


def _charges(user: User, verdict: policy.Allow) -> list[tuple[str, str]]:
    """(id, title) of each project that such a query may be charged to; the personal one, which has no id before it is
    first needed, stands first."""
    mine = Project.objects.filter(members__user=user, members__left_at=None, closed_at=None).distinct()
    if verdict.grant:
        return [(str(project.pk), project.title) for project in mine.filter(grants__pk=verdict.grant)]
    granted = [(str(project.pk), project.title) for project in mine.filter(kind=Kind.GRANTED)[:PROJECTS]]
    return [("", _("your personal project")), *granted]


def _project(user: User, given: str) -> Project | None:
    """The project of this id, or none for an empty one. One that is not the person's is not there."""
    if not given:
        return None
    try:
        key = UUID(given)
    except ValueError:
        key = None
    found = Project.objects.of(user).filter(pk=key).first() if key else None
    if found is None:
        raise NotFound(_("There is no such project of yours."))
    return found


def _words() -> dict[str, str]:
    """What the page's script says."""
    return {
        "asking": _("Asking…"),
        "writing": _("Writing: %(n)s of at most %(most)s tokens"),
        "done": _("Complete: %(n)s tokens."),
        "done_stop": _("Complete: it ended by itself after %(n)s tokens."),
        "stopped": _("Stopped after %(n)s tokens. What was delivered is charged."),
        "used": _("%(prompt)s prompt + %(completion)s answer = %(total)s tokens"),
        "left": _("%(n)s tokens left in this period"),
        "request": _("request %(id)s"),
        "receipt": _("Signed receipt"),
        "first": _("first token after %(s)s s"),
        "pace": _("%(n)s tokens a second"),
        "bits": _("%(n)s bits a token"),
        "engine": _("revision %(revision)s, %(engine)s"),
        "token": _("Token %(n)s of %(all)s"),
        "chosen": _("chosen"),
        "rest": _("all others"),
        "option": _("%(token)s, %(chance)s"),
        "instead": _("instead: %(list)s"),
        "newline": _("new line"),
        "space": _("space"),
        "you": _("You"),
        "model": _("Model"),
        "bad_field": _("Check “%(field)s”: %(why)s"),
        "fault": _("This was not answered"),
        "busy": _("Try again in %(s)s s."),
        "rate_limit_exceeded": _("Your limit for a short time is reached. Nothing was charged."),
        "insufficient_quota": _("Your allowance is spent. Nothing was charged."),
        "request_too_large_for_limit": _(
            "This could use more tokens than you may use at once. Ask for a shorter answer."
        ),
        "context_length_exceeded": _(
            "Prompt and answer are longer together than the model can read. Shorten one of them."
        ),
        "model_not_granted": _("You may not query this model at present."),
        "overloaded": _("All engines of this model are busy. You are within your own limits."),
        "paused": _("The operator has paused every query here. Try again later."),
        "unavailable": _("The model does not answer at present. Nothing was charged."),
        "model_not_loaded": _("The model does not answer at present. Nothing was charged."),
        "signed_out": _("You are signed out. Sign in again and come back; your text is still here."),
        "broken": _("The answer broke off. What was delivered is charged."),
        "offline": _("The portal cannot be reached. Check your connection."),
        "where": _("See what is missing"),
        "usage": _("See what is left"),
    }
