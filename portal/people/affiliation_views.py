"""Where one works: finding the institution, and showing by an address that one is there."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Invalid, TooMany
from portal.people import affiliation_actions
from portal.people.adapters import within_limit
from portal.people.forms import AddressForm
from portal.people.models import Affiliation, Institution
from portal.people.views import signed_in


@login_required
@require_safe
def institutions(request: HttpRequest) -> HttpResponse:
    """Search the register. A page for everybody; for a field that asks while one types, the options of its list."""
    if not within_limit(request, "institution_search"):
        raise TooMany(_("Those were many searches in a minute. Wait a little and go on."), retry_after_s=60)
    field = request.GET.get("list", "")[:60]
    typed = request.GET.get(field or "q", "").replace("\x00", "")
    context = {"field": field, "typed": typed.strip(), "hits": Institution.objects.matching(typed)}
    return render(request, "people/_hits.html" if field else "people/institutions.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def address(request: HttpRequest) -> HttpResponse:
    """Ask for a link to an address at one's institution; shows what is verified, and until when."""
    user = signed_in(request)
    affiliation = Affiliation.objects.filter(user=user, ends_at=None).select_related("institution").first()
    form = AddressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            affiliation_actions.mail_proof(by=user, address=form.cleaned_data["address"])
        except Invalid as error:
            for text in error.fields["address"]:
                form.add_error("address", text)
        else:
            messages.success(request, _("A link is on its way. Open it in this browser, signed in, within a day."))
            return redirect("people:address")
    listed = affiliation.institution if affiliation else None
    context = {
        "form": form,
        "affiliation": affiliation,
        "domains": sorted(listed.mail_domains()) if listed else [],
        "proof": affiliation.proofs.order_by("-sent_at").first() if affiliation else None,
    }
    return render(request, "people/address.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_address(request: HttpRequest, secret: str) -> HttpResponse:
    """The mailed link: a button on GET, because mail scanners follow links; the evidence on POST."""
    user = signed_in(request)
    proof = affiliation_actions.proof_of(by=user, secret=secret)
    if request.method != "POST":
        return render(request, "people/address_confirm.html", {"proof": proof, "affiliation": proof.affiliation})
    affiliation = affiliation_actions.confirm_address(by=user, secret=secret)
    messages.success(request, _("Shown: you work at %(name)s.") % {"name": affiliation.organisation})
    return redirect("people:profile")
