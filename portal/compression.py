"""Text that we write is compressed on its way, for clients that take it; files come compressed from set-up, or are so."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

TYPES: Final = frozenset(
    {
        "application/atom+xml",
        "application/json",
        "application/vnd.oai.openapi+json",
        "image/svg+xml",
        "text/csv",
        "text/html",
        "text/markdown",
    }
)
"""What shrinks to a fifth. Fonts, weights and archives do not, and nothing of theirs is read here."""
_REFUSED: Final = re.compile(r"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)
"""In Accept-Encoding (RFC 9110, section 12.5.3); Django looks for the word alone."""


class Compressed(GZipMiddleware):
    """Middleware: gzip for the types above.

    A page may hold a secret beside what its address made it say. So that its compressed length tells nothing of it
    (BREACH), Django masks the form's token anew for each page and fills each answer by up to 100 random bytes.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress the answer, or leave it: a part is counted in bytes of the whole, and a head has no body."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in TYPES or response.has_header("Content-Range"):
            return response
        head = response.streaming and request.method == "HEAD"
        if head or _REFUSED.search(request.headers.get("Accept-Encoding", "")):
            patch_vary_headers(response, ("Accept-Encoding",))
            return response
        return super().process_response(request, response)
