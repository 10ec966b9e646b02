"""The raw request target, which WSGI decodes too early: `feat%2Fx` is one revision, `feat/x` would be two segments.

The middleware keeps an encoded slash (and an encoded percent sign) inside its segment; the two converters decode them
when the address is matched. Every other address passes untouched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from django.http import HttpRequest, HttpResponse

from releases.lookup import Moved

_KEPT: Final = re.compile(r"(?i)%(2f|25)")


class RawTarget:
    """Middleware, first of all: `request.path_info` as the client meant it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Re-read the target where it carries an encoded slash or percent sign."""
        path = _raw_path(request)
        if _KEPT.search(path):
            request.path_info = kept(path.removeprefix(request.META.get("SCRIPT_NAME", "")))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page of a model that has another name by now."""
        return send_on(request, exception) if isinstance(exception, Moved) else None


def send_on(request: HttpRequest, moved: Moved) -> HttpResponse:
    """Relative, and 307: every client follows it with its method and token, to us and to nobody else."""
    path = quote(request.path_info, safe="/%").replace(f"/{quote(moved.before)}", f"/{quote(moved.after)}", 1)
    query = request.META.get("QUERY_STRING", "")
    answer = HttpResponse(status=307)
    answer["Location"] = f"{path}?{query}" if query else path
    return answer


def _raw_path(request: HttpRequest) -> str:
    """The path of the request line: from the ASGI server under the one-port dispatcher, else from the WSGI server."""
    scope = request.META.get("asgi.scope")
    if scope:
        return str(scope.get("raw_path", b"").decode("latin-1"))
    target = str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "").partition("?")[0]
    return urlsplit(target).path if "://" in target else target


def kept(path: str) -> str:
    """The path decoded once, with a slash or percent sign that was encoded left encoded."""
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F") for part in path.split("/"))


class Segment:
    """One segment of an address, which may stand for text with slashes."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """Decoded; ValueError (no match) for text that no name can contain."""
        text = unquote(value)
        if any(unicodedata.category(c) in {"Cc", "Cs"} for c in text) or "\ufffd" in text:
            raise ValueError("a control character or undecodable bytes")
        return text

    def to_url(self, value: str) -> str:
        """Encoded by Django afterwards; a slash must be encoded here to stay inside the segment."""
        return value.replace("%", "%25").replace("/", "%2F")


class Tail(Segment):
    """The rest of an address: a path with real slashes, or encoded ones."""

    regex = r".+"

    def to_url(self, value: str) -> str:
        """Real slashes stay."""
        return value.replace("%", "%25")
