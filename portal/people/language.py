"""Which language a request is answered in: what was chosen in this browser, else one's own setting, else what it asks for.

Programs are always answered in English: their contract is the `code` of an answer, and its text must not change with
whoever's browser sent it. A page's own script is no program in this: what it is told stands on its reader's page.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_supported_language_variant
from django.views.decorators.csrf import csrf_protect
from django.views.i18n import LANGUAGE_QUERY_PARAMETER, set_language

from portal.http import Handler, wants_json
from portal.people.actions import choose_language
from portal.people.models import User

READS: Final = ("Accept-Language", "Cookie")
"""The headers that a page's language depends on."""


class Locale:
    """Middleware: Django's own knows no setting of the person, and leaves its language behind in the thread."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer in the reader's language and name it; a page says what it depends on, so that no cache mixes readers up."""
        language = language_of(request)
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, READS)
        return response


def language_of(request: HttpRequest) -> str:
    """The language's code, one of LANGUAGES. The session is read only where a browser sends one and no choice."""
    if wants_json(request) and not _of_a_page(request):
        return settings.LANGUAGE_CODE
    chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES
    if not chosen and settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
        return supported(request.user.language)
    return translation.get_language_from_request(request)


def _of_a_page(request: HttpRequest) -> bool:
    """Whether a page's script asks: it shows the page's CSRF token, which no program has. The API is for programs alone."""
    return "X-CSRFToken" in request.headers and not request.path.startswith("/api/v1/")


def supported(code: str) -> str:
    """The nearest language that the portal speaks; its first one where none is near."""
    try:
        return get_supported_language_variant(code)
    except LookupError:
        return settings.LANGUAGE_CODE


@csrf_protect
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the language that a page's foot or the profile names: in this browser, and for mail where one is signed in."""
    code = request.POST.get(LANGUAGE_QUERY_PARAMETER, "")
    if request.method == "POST" and isinstance(request.user, User) and code in dict(settings.LANGUAGES):
        choose_language(by=request.user, language=code)
    return set_language(request)
