"""To a provider of sign-in, and back. Every fault of the provider's is a page that says what to do."""

from __future__ import annotations

from allauth.core.exceptions import ReauthenticationRequired
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.base import AuthProcess, Provider
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from portal.people.provider import Callback
from portal.people.second_factor import is_confirmed
from portal.people.views import signed_in


def _provider(request: HttpRequest, provider_id: str) -> Provider:
    try:
        found: Provider = get_adapter(request).get_provider(request, provider_id)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return found


@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Ask once, then go to the provider.

    The page in between leads on by itself. A redirect would not: the security policy lets no form end up elsewhere,
    and a provider may send on to addresses that nobody can list.
    """
    provider = _provider(request, provider_id)
    process = request.GET.get("process") or request.POST.get("process")
    if request.method != "POST":
        return render(request, "socialaccount/login.html", {"provider": provider, "process": process})
    if process == AuthProcess.CONNECT and request.user.is_authenticated and not is_confirmed(request):
        raise ReauthenticationRequired
    try:
        answer: HttpResponse = provider.redirect_from_request(request)
    except OAuth2Error as error:
        return _failed(request, provider, error)
    if "Location" not in answer.headers:
        return answer
    return render(request, "socialaccount/onward.html", {"provider": provider, "url": answer.headers["Location"]})


@login_required
@require_safe
def confirm(request: HttpRequest) -> HttpResponse:
    """For whoever has neither password nor second factor: show at a provider that it is still you."""
    linked = set(SocialAccount.objects.filter(user=signed_in(request)).values_list("provider", flat=True))
    providers = [each for each in get_adapter(request).list_providers(request) if each.sub_id in linked]
    return render(request, "socialaccount/confirm.html", {"providers": providers})


@require_safe
def finish(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the provider: sign in, link, or offer an account."""
    provider = _provider(request, provider_id)
    try:
        answer: HttpResponse = Callback.adapter_view(provider.get_oauth2_adapter(request))(request)
    except OAuth2Error as error:
        return _failed(request, provider, error)
    return answer


def _failed(request: HttpRequest, provider: Provider, error: Exception) -> HttpResponse:
    answer: HttpResponse = render_authentication_error(request, provider, exception=error)
    return answer
