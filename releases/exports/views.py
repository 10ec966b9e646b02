"""The documents of the shelf, at their addresses beside a revision. They follow cards and names, so they are kept for minutes."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.errors import NotFound
from releases import proof_views
from releases.exports.facts import Facts
from releases.exports.shelf import SHELF


@require_safe
def document(request: HttpRequest, namespace: str, name: str, revision: str, document: str) -> HttpResponseBase:
    """One document of a revision, for everybody who may know of it."""
    shown = proof_views.named(request, namespace, name, revision)
    if shown.commit != revision:
        return proof_views.onward(document, shown)
    wanted, facts = SHELF[document], Facts(proof_views.documented(shown))
    if wanted.of_data and not facts.data:
        raise NotFound(_("This revision has no data card (DATACARD.md), so nothing is told of its training data."))
    body = wanted.write(facts)
    kind = f"{document}-{hashlib.sha256(body).hexdigest()[:16]}"
    answer = HttpResponse(body, content_type=wanted.media_type)
    return proof_views.kept(request, shown, kind, answer, proof_views.FOR_MINUTES)
