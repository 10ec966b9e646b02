"""Every letter that the portal sends: when and to whom, how it reads, and a trial to oneself."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from csp.constants import SELF
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import actions, previews
from portal.access.views.staff import memberships, staff
from portal.errors import NotFound, TooMany
from portal.mail import registry
from portal.mail.registry import Letter
from portal.people.adapters import within_limit
from portal.people.models import MANAGERS, Lab, User

ALONE: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""What a mail may do in its frame: be drawn. Its own styles are inline, as mail programs want them; nothing else loads."""


@login_required
@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    """The list, by topic."""
    user = staff(request)
    lab = _lab(request, user)
    rows = [(letter, previews.preview(letter, lab).subject) for letter in registry.letters()]
    topics = [(topic, list(group)) for topic, group in groupby(rows, key=lambda row: row[0].topic)]
    return render(request, "access/letters.html", {"topics": topics, "count": len(rows)})


@login_required
@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]  # its type knows only views without arguments
@require_http_methods(["GET", "HEAD", "POST"])
def letter(request: HttpRequest, name: str) -> HttpResponse:
    """One letter in text and HTML; a POST sends it to oneself."""
    user = staff(request)
    lab, found, reason = _chosen(request, user, name)
    if request.method == "POST":
        if not within_limit(request, "letter_try"):
            raise TooMany(_("Those were many trials in an hour. Wait a little and go on."), retry_after_s=3600)
        actions.try_letter(by=user, lab=lab, letter=found, reason=reason)
        messages.success(request, _("On its way to %(email)s.") % {"email": user.email})
        return redirect(request.get_full_path())
    context: dict[str, Any] = {
        "letter": found,
        "mail": previews.preview(found, lab, reason),
        "lab": lab,
        "labs": _labs(user),
        "reasons": previews.reasons_of(found),
        "reason": reason,
        "query": request.GET.urlencode(),
        "may_try": not user.roles_in(lab).isdisjoint(MANAGERS),
    }
    return render(request, "access/letter.html", context)


@login_required
@xframe_options_sameorigin
@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML of a letter, alone, for the frame."""
    lab, found, reason = _chosen(request, staff(request), name)
    mail = previews.preview(found, lab, reason)
    answer = HttpResponse(str(mail.alternatives[0][0]))
    answer["Content-Security-Policy"] = ALONE
    return answer


def _chosen(request: HttpRequest, user: User, name: str) -> tuple[Lab, Letter, str]:
    lab = _lab(request, user)
    try:
        found = registry.letter(name)
    except LookupError:
        raise NotFound(_("There is no such letter.")) from None
    known = previews.reasons_of(found)
    asked = request.GET.get("reason", "")
    return lab, found, asked if asked in known else next(iter(known), "")


def _labs(user: User) -> list[Lab]:
    return list(Lab.objects.filter(pk__in=memberships(user).values("lab")))


def _lab(request: HttpRequest, user: User) -> Lab:
    """The lab in whose name letters are shown: the one asked for, else the first of one's own."""
    labs = _labs(user)
    asked = request.GET.get("lab", "")
    found = next((lab for lab in labs if lab.slug == asked), None)
    if asked and found is None:
        raise NotFound(_("There is no such lab, or you have no role in it."))
    return found or labs[0]
