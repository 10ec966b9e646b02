"""The publisher's desk: one revision with what its check found and what would change, and the steps that are open."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions, comparison, lifecycle
from releases.conversion import wishes
from releases.models import Revision
from releases.proof_models import Severity
from releases.views import about, model_of, revision_of

CONVERSIONS: Final = 20
"""The newest that are shown."""
NAMED: Final = 100
"""Files that are named of those that would come, change or go."""
KNOWN: Final = 50
"""Errata that a further one may correct."""
SIGNATURE_MAX: Final = 5 << 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def revision(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponse:
    """One revision for those who look after the lab's releases; to all others it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    roles = user.roles_in(found.lab)
    if not roles & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    shown: Revision = revision_of(request, found, revision)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            messages.success(request, _act(request, shown, user))
        except Invalid as error:
            if not error.fields:
                raise
            problems = error.fields
        else:
            return redirect("releases:desk", found.lab.slug, found.name, shown.commit)
    context = about(request, found, shown) | {
        "tab": "revisions",
        "verbs": lifecycle.verbs(shown.state, frozenset(roles)),
        "changes": None if shown.published_at else comparison.changes(found.main, shown).kinds(NAMED),
        "conversions": shown.conversions.select_related("model__lab")[:CONVERSIONS],
        "convertible": shown.state != lifecycle.State.WITHDRAWN
        and bool(wishes.sources(shown.files.values_list("path", flat=True))),
        "problems": problems,
        "typed": request.POST,
        "signatures": shown.signatures.select_related("key__lab"),
        "severities": Severity.choices,
        "known_errata": found.errata.all()[:KNOWN],
    }
    return render(request, "releases/desk.html", context, status=422 if problems else 200)


def _act(request: HttpRequest, shown: Revision, user: User) -> str:
    match request.POST.get("verb"):
        case "check":
            actions.request_check(revision=shown, by=user)
            return _("It is being checked.")
        case "publish":
            actions.publish(revision=shown, by=user)
            return _("Published. “main” names this revision now.")
        case "withdraw":
            actions.withdraw(
                revision=shown, by=user, reason=request.POST.get("reason", ""), instead=request.POST.get("instead", "")
            )
            return _("Withdrawn. Readers see the reason.")
        case "sign":
            _sign(request, shown, user)
            return _("The signature was verified, and is the one that readers get.")
        case "erratum":
            _tell(request, shown, user)
            return _("Published. Whoever holds a grant is told by mail.")
    raise Invalid(_("Choose what to do."))


def _sign(request: HttpRequest, shown: Revision, user: User) -> None:
    """Take the file that model_signing wrote; what is wrong with it stands beside the field."""
    sent = request.FILES.get("bundle")
    if sent is None or not sent.size or sent.size > SIGNATURE_MAX:
        text = _("Choose the file model.sig, of at most 5 MiB.")
        raise Invalid(text, fields={"bundle": [text]})
    try:
        actions.add_signature(revision=shown, bundle=sent.read(), by=user)
    except (Invalid, Conflict) as fault:
        raise Invalid(fault.message, fields={"bundle": [fault.message]}) from fault


def _tell(request: HttpRequest, shown: Revision, user: User) -> None:
    """Raise an erratum of this revision, or of the whole model."""
    told = request.POST
    chosen = told.get("corrects", "")
    corrects = shown.model.errata.filter(pk=chosen).first() if chosen.isdecimal() and len(chosen) < 16 else None
    actions.add_erratum(
        model=shown.model,
        revision=None if told.get("whole") else shown,
        severity=told.get("severity", ""),
        title=told.get("title", ""),
        text=told.get("text", ""),
        corrects=corrects,
        by=user,
    )
