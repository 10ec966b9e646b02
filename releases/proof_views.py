"""The documents of a revision, for everybody: release.json, tensors.json, model.sig, bom.cdx.json.

A published revision's documents never change, so its commit's addresses are cached for good and read no session; any
other name of it leads there. A draft's are for its lab alone, and say what would be published now.
"""

from __future__ import annotations

from typing import Final, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal import signing
from portal.errors import NotFound
from releases import lookup
from releases.lifecycle import State
from releases.models import Revision
from releases.proofs import bom, documents
from releases.views import model_of, revision_of

WITHDRAWN: Final = "Weighbridge-Withdrawn"
"""The header that says since when a revision is withdrawn: the documents themselves never change."""
FOR_GOOD: Final = "public, max-age=31536000, immutable"
FOR_MINUTES: Final = "public, max-age=300"
_JSON: Final = "application/json"


@require_safe
def release_json(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """What was released: files with sizes and digests, and the weight id."""
    shown = named(request, namespace, name, revision)
    if shown.commit != revision:
        return onward("release.json", shown)
    body = signing.canonical(documents.release(documented(shown)))
    return kept(request, shown, "release", HttpResponse(body, content_type=_JSON))


@require_safe
def tensors_json(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """Every tensor with its type, shape and digest, by name."""
    shown = named(request, namespace, name, revision)
    if shown.commit != revision:
        return onward("tensors.json", shown)
    pieces = documents.tensors(documented(shown))
    return kept(request, shown, "tensors", StreamingHttpResponse(pieces, content_type=_JSON))


@require_safe
def bom_json(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """The release as a CycloneDX bill of materials."""
    shown = named(request, namespace, name, revision)
    if shown.commit != revision:
        return onward("bom.cdx.json", shown)
    body = signing.canonical(bom.bill(documented(shown)))
    return kept(request, shown, "bom", HttpResponse(body, content_type="application/vnd.cyclonedx+json"))


@require_safe
def model_sig(request: HttpRequest, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """The newest signature over the files, or with `?key=` and a fingerprint the one by that key.

    A lab may add its own after the portal's, so the answer may change, and is kept for minutes.
    """
    shown = named(request, namespace, name, revision)
    if shown.commit != revision:
        return onward("model.sig", shown, request.GET.urlencode())
    signatures = shown.signatures.all()
    if key := request.GET.get("key", ""):
        signatures = signatures.filter(key__fingerprint=key.lower()[:64].replace("\0", ""))
    found = signatures.first()
    if found is None:
        raise NotFound(_("There is no such signature under this revision."))
    response = HttpResponse(found.bundle, content_type="application/vnd.dev.sigstore.bundle.v0.3+json")
    return kept(request, shown, f"sig{found.pk}", response, FOR_MINUTES)


def named(request: HttpRequest, namespace: str, name: str, revision: str) -> Revision:
    """The revision as everybody may know of it, without a look at the session; else as this reader may."""
    now = timezone.now()
    found = lookup.model(namespace, name, person=None, now=now)
    shown = lookup.revision(found, revision, person=None, now=now) if found else None
    if shown is None:
        shown = revision_of(request, model_of(request, namespace, name), revision)
    return shown


def documented(revision: Revision) -> Revision:
    """The revision, if it has documents. Raises NotFound for one that was published before they were made."""
    if revision.published_at and not hasattr(revision, "publication"):
        raise NotFound(_("This revision was published before such documents were made here."))
    return revision


def onward(document: str, revision: Revision, query: str = "") -> HttpResponse:
    """From a branch, a tag or the start of a commit id to the address that never changes."""
    model = revision.model
    to = reverse("releases:desk", args=[model.lab.slug, model.name, revision.commit]) + f"/{document}"
    response = HttpResponseRedirect(f"{to}?{query}" if query else to)
    response["Cache-Control"] = "no-cache"
    return response


def kept(
    request: HttpRequest, revision: Revision, kind: str, response: HttpResponseBase, lives: str = FOR_GOOD
) -> HttpResponseBase:
    """The answer with its ETag, how long it may be kept, and whether the revision is withdrawn."""
    if revision.published_at is None:
        response["Cache-Control"] = "private, no-store"
        return response
    etag = f'"{revision.commit}-{kind}"'
    response["ETag"], response["Cache-Control"] = etag, lives
    if revision.state == State.WITHDRAWN and revision.withdrawn_at:
        response[WITHDRAWN] = revision.withdrawn_at.isoformat(timespec="seconds")
    answer = cast("HttpResponse", response)  # Django asks for no more than its headers
    return get_conditional_response(request, etag=etag, response=answer) or response
