"""The public keys that models are signed with: for everybody, and for a lab's administrators to add and retire."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Invalid, NotFound
from portal.people.models import Lab, Role, User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions, lifecycle
from releases.proof_models import SigningKey
from releases.proofs import signature, vouching

PAGE: Final = 50
_PEM: Final = "application/x-pem-file"


class KeyForm(forms.Form):
    """A public key, its name, and the days on which it holds."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, help_text=gettext_lazy("Where it is kept, or its year.")
    )
    pem = forms.CharField(
        label=gettext_lazy("Public key"), max_length=4000, widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=gettext_lazy("In PEM form, an elliptic curve key: P-256, P-384 or P-521. The private key stays with you."),
    )  # fmt: skip
    ends_at = forms.DateField(
        label=gettext_lazy("Last day"), required=False, widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Signatures are taken until then. Leave it empty, and retire the key when its time has come."),
    )  # fmt: skip


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """The portal's key and those of all labs, past ones too: signatures by them stay."""
    known = SigningKey.objects.select_related("lab").order_by("lab__slug", "-starts_at", "pk")
    page = Paginator(known, PAGE).get_page(request.GET.get("page"))
    key = signature.portal_key()
    pem = signature.pem_of(key.public_key()) if key else ""
    context = {"page": page, "pem": pem, "fingerprint": signature.fingerprint(pem) if pem else ""}
    return render(request, "releases/keys.html", context)


@require_safe
def portal_pem(request: HttpRequest) -> HttpResponse:
    """The key that the portal signs with now."""
    key = signature.portal_key()
    if key is None:
        raise NotFound(_("This portal signs nothing: its operator has set no signing key."))
    return _pem(signature.pem_of(key.public_key()), 300)


@require_safe
def vouches(request: HttpRequest) -> HttpResponse:
    """Signatures by which the portal's present and former keys vouch for each other; none where it never exchanged its key."""
    response = JsonResponse({"format": "weighbridge.vouches/1", "vouches": vouching.vouches()})
    response["Cache-Control"] = "public, max-age=300"
    return response


@require_safe
def pem(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """A key by the SHA-256 of this very answer."""
    found = SigningKey.objects.filter(fingerprint=fingerprint.lower()).first()
    if found is None:
        raise NotFound(_("There is no key of this fingerprint."))
    return _pem(found.pem, 31536000)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def of_lab(request: HttpRequest, lab: str) -> HttpResponse:
    """One lab's keys, for those who look after its releases; its administrators add and retire them."""
    user = signed_in(request)
    found = Lab.objects.filter(slug=lab).first()
    roles = user.roles_in(found) if found else frozenset()
    if found is None or not roles & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    form = KeyForm(request.POST if request.POST.get("verb") == "add" else None)
    if request.method == "POST" and _act(request, found, form, user):
        return redirect("releases:keys_of_lab", found.slug)
    page = Paginator(SigningKey.objects.filter(lab=found), PAGE).get_page(request.GET.get("page"))
    context = {"lab": found, "page": page, "form": form, "administrates": Role.ADMINISTRATOR in roles}
    return render(request, "releases/keys_of_lab.html", context, status=422 if form.errors else 200)


def _act(request: HttpRequest, lab: Lab, form: KeyForm, user: User) -> bool:
    """Whether it was done; else the form says what is wrong. Raises NotAllowed, Invalid."""
    match request.POST.get("verb"):
        case "add":
            return _add(request, lab, form, user)
        case "retire":
            pk = request.POST.get("key", "")
            key = get_object_or_404(SigningKey, lab=lab, pk=pk if pk.isdecimal() and len(pk) < 16 else 0)
            actions.retire_key(key=key, by=user)
            messages.success(request, _("Retired. Signatures by it stay, and no new one is taken."))
            return True
    raise Invalid(_("Choose what to do."))


def _add(request: HttpRequest, lab: Lab, form: KeyForm, user: User) -> bool:
    if not form.is_valid():
        return False
    told = form.cleaned_data
    try:
        actions.add_key(lab=lab, by=user, name=told["name"], pem=told["pem"], ends_at=_end(told["ends_at"]))
    except Invalid as error:
        for name, texts in error.fields.items():
            form.add_error(name, texts)
        return False
    messages.success(request, _("Registered. Signatures by it are taken from now on."))
    return True


def _end(day: date | None) -> datetime | None:
    """The last moment of the day, UTC."""
    return datetime.combine(day, time.max, tzinfo=UTC) if day else None


def _pem(text: str, seconds: int) -> HttpResponse:
    response = HttpResponse(text, content_type=_PEM)
    response["Cache-Control"] = f"public, max-age={seconds}"
    return response
