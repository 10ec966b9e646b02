"""Where a person answers a program that asks for a token: type its code, look who asks, approve or refuse."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.errors import Invalid, NotAllowed, NotFound
from portal.people.adapters import within_limit
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from portal.tokens import device_actions, devices
from portal.tokens.device_models import DeviceLogin
from portal.tokens.forms import TokenForm, UserCodeForm
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def device(request: HttpRequest) -> HttpResponse:
    """Ask for the code; a POST shows who waits with it. A link may fill it in, and a person still has to look."""
    user = signed_in(request)
    filled = {"code": request.GET.get("code", "")[:20]}
    form = UserCodeForm(request.POST if request.method == "POST" else None, initial=filled)
    if request.method == "POST":
        login = _waiting(request, form)
        if login is not None:
            return _asked(request, login, form.cleaned_data["code"], _form(user, initial=_begin(user, login)))
    return render(request, "tokens/device.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@never_cache
@require_POST
@step_up
def answer(request: HttpRequest) -> HttpResponse:
    """Approve, with the token's kind and end, or refuse."""
    user = signed_in(request)
    code = UserCodeForm(request.POST)
    login = _waiting(request, code)
    if login is None:
        return render(request, "tokens/device.html", {"form": code}, status=422)
    typed = code.cleaned_data["code"]
    form = _form(user, data=request.POST)
    try:
        if "refuse" in request.POST:
            device_actions.refuse(by=user, user_code=typed)
        elif not _approved(form, user, typed):
            return _asked(request, login, typed, form, status=422)
    except NotFound as gone:  # answered in another window
        code.add_error("code", gone.message)
        return render(request, "tokens/device.html", {"form": code}, status=422)
    return render(request, "tokens/device_done.html", {"login": login, "refused": "refuse" in request.POST})


def _form(user: User, **filled: Any) -> TokenForm:
    """What a program that asks from elsewhere may be given: never a whole lab, whoever has been talked into approving."""
    return TokenForm(user=user, besides=[Kind.SERVICE], **filled)


def _approved(form: TokenForm, user: User, typed: str) -> bool:
    if not form.is_valid():
        return False
    try:
        device_actions.approve(by=user, user_code=typed, **form.asked())
    except Invalid as error:
        for name, texts in error.fields.items():
            form.add_error({"expires_at": "days"}.get(name, name), texts)
    except NotAllowed as error:
        form.add_error("kind", error.message)
    return not form.errors


def _waiting(request: HttpRequest, form: UserCodeForm) -> DeviceLogin | None:
    """Who waits with the typed code; each try counts, right or wrong, and what is wrong is said beside the field."""
    if not within_limit(request, "user_code"):
        form.add_error("code", _("Those were many codes. Wait five minutes, then try again."))
        return None
    if not form.is_valid():
        return None
    login = DeviceLogin.objects.waiting(form.cleaned_data["code"]).first()
    if login is None:
        form.add_error(
            "code", _("No program waits with this code. Compare it letter by letter, or begin the login again.")
        )
    return login


def _asked(request: HttpRequest, login: DeviceLogin, code: str, form: TokenForm, status: int = 200) -> HttpResponse:
    context = {"login": login, "code": devices.shown(code), "form": form}
    return render(request, "tokens/device_confirm.html", context, status=status)


def _begin(user: User, login: DeviceLogin) -> dict[str, str]:
    """A name for the token that this person has not yet: the client's, then with a number."""
    mine = set(AccessToken.objects.active().filter(user=user).values_list("label", flat=True))
    names = (f"{login.client[:60]} {number}".removesuffix(" 1") for number in range(1, len(mine) + 2))
    return {"label": next(name for name in names if name not in mine)}
