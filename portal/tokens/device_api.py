"""Device login on the wire, for programs: RFC 8628, as `hf auth login` and our own client speak it.

Answers are JSON in the words of OAuth, errors too; nothing here reads a session, so nothing needs a form's token.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from portal.http import sender
from portal.people.adapters import within_limit
from portal.tokens import device_actions, devices

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST: Final = 100
"""Characters of a client's id."""


@csrf_exempt
def authorize(request: HttpRequest) -> JsonResponse:
    """Begin: a device code for the program, and a user code for whoever sits before it."""
    if request.method != "POST":
        return _only_post()
    client_id = request.POST.get("client_id", "").strip()
    if not client_id or len(client_id) > LONGEST or not client_id.isprintable():
        return _error("invalid_request", f"Send client_id, the name of your program, in at most {LONGEST} characters.")
    if not within_limit(request, "device_login"):
        answer = _error("slow_down", "Too many logins were begun from your address. Try again in five minutes.", 429)
        answer["Retry-After"] = "300"
        return answer
    agent = "".join(c for c in request.headers.get("User-Agent", "") if c.isprintable())[:200]
    begun = device_actions.begin(client_id=client_id, agent=agent, place=sender(request))
    page = settings.BASE_URL + reverse("tokens:device")
    code = devices.shown(begun.user_code)
    told = {
        "device_code": begun.device_code,
        "user_code": code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?code={code}",
        "expires_in": int(devices.LIFE.total_seconds()),
        "interval": begun.login.interval_s,
    }
    return _answer(told)


@csrf_exempt
def token(request: HttpRequest) -> JsonResponse:
    """Poll: the access token, once, when a person has approved."""
    if request.method != "POST":
        return _only_post()
    if request.POST.get("grant_type") != GRANT:
        return _error("unsupported_grant_type", f"This portal gives tokens for the grant type {GRANT} alone.")
    device_code, client_id = request.POST.get("device_code", ""), request.POST.get("client_id", "")
    if not device_code or not client_id or len(device_code) > LONGEST or "\0" in client_id:
        return _error("invalid_request", "Send the device_code that you were given, and your client_id.")
    polled = device_actions.poll(device_code=device_code, client_id=client_id)
    if polled.token is None:
        return _error(polled.error, polled.sentence)
    left = polled.token.expires_at - timezone.now()
    told = {
        "access_token": polled.secret,
        "token_type": "Bearer",
        "expires_in": int(left.total_seconds()),
        "scope": " ".join(polled.token.scopes),
    }
    return _answer(told)


def _only_post() -> JsonResponse:
    answer = _error("invalid_request", "Send a POST.", 405)
    answer["Allow"] = "POST"
    return answer


def _error(code: str, sentence: str, status: int = 400) -> JsonResponse:
    return _answer({"error": code, "error_description": sentence}, status)


def _answer(body: dict[str, Any], status: int = 200) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})
