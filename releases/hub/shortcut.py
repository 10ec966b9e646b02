"""The way to files past what only people's pages need: session, form token, messages, account, second factor.

A client asks for each file of each download here. Doors of the Hub read bearer tokens alone, never the session; and
whoever sends a cookie, a browser, goes the long way all the same, to the same view.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, get_resolver

from portal.http import Handler
from portal.people.language import Locale

_MARK: Final = "/resolve/"


class Shortcut:
    """Middleware: stands after what every answer needs, and before the session."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._straight = Locale(_answer)
        self._addresses = get_resolver("releases.hub.file_urls")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer for a file; let everything else go on."""
        if _MARK not in request.path_info or "HTTP_COOKIE" in request.META:
            return self.get_response(request)
        try:
            request.resolver_match = self._addresses.resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        return self._straight(request)


def _answer(request: HttpRequest) -> HttpResponse:
    match = request.resolver_match
    assert match is not None  # noqa: S101 Shortcut has found it
    answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return answer
