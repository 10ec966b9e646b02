"""The text of an agreement, and the public page of a receipt."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal import signing
from portal.agreements import proving, receipts
from portal.agreements.documents import pdf
from portal.agreements.models import Agreement, Signature, Version
from portal.agreements.redline import redline, stretches
from portal.errors import NotFound
from portal.people.models import User


@require_safe
def version(request: HttpRequest, lab: str, slug: str, number: int) -> HttpResponse:
    """One published version: the whole text, its digest, and whether it is the current one."""
    rows = Version.objects.select_related("agreement__lab")
    found = rows.filter(
        agreement__lab__slug=lab, agreement__slug=slug, number=number, published_at__isnull=False
    ).first()
    if found is None:
        raise NotFound(_("There is no such version of this agreement."))
    published = found.agreement.versions.filter(published_at__isnull=False)
    earlier = published.filter(number__lt=number).first()
    context = {
        "version": found,
        "agreement": found.agreement,
        "others": published.defer("text"),
        "current": found.agreement.current(),
        "earlier": earlier,
        "changes": stretches(redline(earlier.text, found.text)) if earlier else [],
    }
    return render(request, "agreements/version.html", context)


@require_safe
def compare(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """What changed between two versions, `?from=1&to=2`; without them, the newest two. A draft is the lab's own."""
    found = Agreement.objects.select_related("lab").filter(lab__slug=lab, slug=slug).first()
    versions = list(_readable(request, found)) if found else []
    if found is None or not versions:
        raise NotFound(_("There is no such agreement."))
    numbers = {str(version.number): version for version in versions}
    new = _chosen(numbers, request.GET.get("to", str(versions[0].number)))
    before = next((version for version in versions if version.number < new.number), new)
    old = _chosen(numbers, request.GET.get("from", str(before.number)))
    context = {
        "agreement": found,
        "versions": versions,
        "old": old,
        "new": new,
        "changes": stretches(redline(old.text, new.text)),
    }
    return render(request, "agreements/compare.html", context)


def _readable(request: HttpRequest, agreement: Agreement) -> QuerySet[Version]:
    """The versions that this reader may see, newest first: the published ones, and the draft to the lab's staff."""
    rows = agreement.versions.all()
    user = request.user
    if isinstance(user, User) and user.roles_in(agreement.lab):
        return rows
    return rows.filter(published_at__isnull=False)


def _chosen(versions: dict[str, Version], number: str) -> Version:
    if number not in versions:
        raise NotFound(_("There is no such version of this agreement."))
    return versions[number]


@require_safe
def receipt(request: HttpRequest, receipt_id: UUID) -> HttpResponse:
    """A receipt and the checks that were run on it just now. Whoever has the address may read it."""
    found = _receipt(receipt_id)
    context = {
        "signature": found,
        "document": found.document,
        "checks": receipts.checks(found),
        "ours": signing.ours(found.key_id),
        "version": found.version,
        "base_url": settings.BASE_URL,
        "now": timezone.now(),
        "until": datetime.fromisoformat(found.document["until"]) if "until" in found.document else None,
    }
    return render(request, "agreements/receipt.html", context)


@require_safe
def receipt_json(request: HttpRequest, receipt_id: UUID) -> HttpResponse:
    """The receipt as a file that can be checked without us."""
    found = _receipt(receipt_id)
    response = JsonResponse(receipts.envelope(found), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="{found.reference}.json"'
    return response


@require_safe
def receipt_pdf(request: HttpRequest, receipt_id: UUID) -> HttpResponse:
    """The receipt to print and keep."""
    found = _receipt(receipt_id)
    response = HttpResponse(pdf(found), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{found.reference}.pdf"'
    return response


@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """The public key that our receipts are sealed with, and those that earlier ones were."""
    told = {"public_key": signing.public_key(), "former_public_keys": signing.former_public_keys()}
    return JsonResponse({"algorithm": "Ed25519", **told})


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys under our tokens, as a JSON Web Key Set (RFC 7517); none where no signing key is set."""
    response = JsonResponse({"keys": signing.jwks()}, content_type="application/jwk-set+json")
    response["Cache-Control"] = "public, max-age=300"
    return response


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Look a receipt up by the digest that its document or file states."""
    digest = request.GET.get("sha256", "").strip().lower()
    whole = len(digest) == 64
    signature = Signature.objects.filter(document_sha256=digest).first() if whole else None
    if signature:
        return redirect(signature)
    found = proving.proved(digest) if whole else None
    context = {"digest": digest, "found": found, "now": timezone.now()}
    return render(request, "agreements/find.html", context, status=404 if digest and not found else 200)


def _receipt(receipt_id: UUID) -> Signature:
    found = Signature.objects.select_related("version__agreement__lab").filter(receipt_id=receipt_id).first()
    if found is None:
        raise NotFound(_("There is no such receipt."))
    return found
