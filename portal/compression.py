"""Text that we write is compressed on its way, for clients that take it; files come compressed from set-up, or are so."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TYPES: Final = frozenset(
    {
        "application/atom+xml",
        "application/json",
        "image/svg+xml",
        "text/csv",
        "text/html",
        "text/markdown",
    }
)
"""What shrinks to a fifth. Fonts, weights and archives do not, and nothing of theirs is read here."""


class Compressed(GZipMiddleware):
    """Middleware: gzip for the types above.

    A page may hold a secret beside what its address made it say. So that its compressed length tells nothing of it
    (BREACH), Django masks the form's token anew for each page and fills each answer by up to 100 random bytes.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress the answer, or leave it."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        return super().process_response(request, response) if kind in TYPES else response
