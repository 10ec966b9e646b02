"""Domain errors translated for browsers and for our own JSON API (RFC 9457 problem details)."""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.db import DataError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    UnreadablePostError,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from portal import errors
from portal.postgres.faults import is_away

logger = logging.getLogger(__name__)

STATUS: Final[tuple[tuple[type[errors.WeighbridgeError], int], ...]] = (
    (errors.NotSignedIn, 401),
    (errors.BadToken, 401),
    (errors.NotAllowed, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.TooLarge, 413),
    (errors.TooMany, 429),
    (errors.Unprocessable, 422),
    (errors.Invalid, 400),
    (errors.Unavailable, 503),
)

UPLOAD_LIMIT: Final = (5 << 20) + 1
"""Bytes that are read of one file in a form: one more than any form takes, so that it can say what was wrong."""

_IN_MEMORY: Final = 1 << 20
"""Bytes of one file that memory holds until it is asked for."""

_QUERIES: Final = re.compile(r"/v1(/|$)")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:;=-]{1,64}")

Handler = Callable[[HttpRequest], HttpResponse]


def status_of(error: errors.WeighbridgeError) -> int:
    """The status code of a domain error; 500 for one that no client can cause."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(error: errors.WeighbridgeError, status: int = 0) -> dict[str, Any]:
    """The error as RFC 9457 problem details, with our `code`, `reasons` and `fields`; `status` overrides the error's."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "status": status or status_of(error),
        "title": error.message,
        "code": error.code,
    }
    if isinstance(error, errors.NotAllowed) and error.reasons:
        body["reasons"] = [{"code": r.code, "message": r.message, "url": r.url} for r in error.reasons]
    if isinstance(error, errors.NotAllowed) and error.why:
        body["why"] = error.why
    if isinstance(error, errors.Invalid) and error.fields:
        body["fields"] = error.fields
    return body


def problem_response(error: errors.WeighbridgeError, status: int = 0) -> JsonResponse:
    """The error for an API client; `status` overrides the error's."""
    body = problem(error, status)
    response = JsonResponse(body, status=body["status"], content_type="application/problem+json")
    say_when(response, error)
    if status_of(error) == 401:
        response["WWW-Authenticate"] = f'Bearer realm="weighbridge", error="{error.code}"'
    return response


def say_when(response: HttpResponse, error: errors.WeighbridgeError) -> None:
    """Add `Retry-After` to the answer to an error that passes; not where asking again does not help."""
    if isinstance(error, errors.Unavailable | errors.TooMany) and error.retry_after_s:
        response["Retry-After"] = str(error.retry_after_s)


def sender(request: HttpRequest) -> str:
    """The network address that a request came from: the peer's, or what the outermost of our own proxies saw.

    How many of those stand in front is TRUSTED_PROXIES; where they name fewer, or none that is an address, it is the peer's.
    """
    named = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    if settings.TRUSTED_PROXIES and len(named) >= settings.TRUSTED_PROXIES:
        with suppress(ValueError):
            return str(ip_address(named[-settings.TRUSTED_PROXIES].partition("%")[0]))
    return str(request.META.get("REMOTE_ADDR", ""))


def wants_json(request: HttpRequest) -> bool:
    """Whether the client is a program: our API, a bearer token, or an Accept without HTML."""
    if request.path.startswith("/api/") or request.headers.get("Authorization"):
        return True
    accept = request.headers.get("Accept", "*/*")
    return "html" not in accept and "json" in accept


class Errors:
    """Middleware: a request id on every answer, no shared copy of personal ones, domain errors in the client's shape."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Tag the answer with the request's id."""
        request.META["weighbridge.request_id"] = request_id = _request_id(request)
        response = self.get_response(request)
        response.headers.setdefault("X-Request-Id", request_id)
        if "cookie" in response.headers.get("Vary", "").lower() or request.headers.get("Authorization"):
            response.headers.setdefault("Cache-Control", "private, no-store")  # it was written for this person
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Translate a domain error; anything else goes on to Django."""
        if isinstance(exception, UnreadablePostError):
            exception = errors.Invalid(_("The request broke off before its end. Send it again."), code="broken_off")
        elif isinstance(exception, ValueError | DataError) and _brings_nul(request):
            logger.info("a request brought a NUL: %s", exception)  # its address may be somebody's link
            exception = errors.Invalid(_("A text has a NUL in it, or half of a character. Send whole characters."))
        elif is_away(exception):
            return away(request)
        if not isinstance(exception, errors.WeighbridgeError):
            return None
        return problem_response(exception) if wants_json(request) else page(request, exception)


class Forms:
    """Middleware, the innermost: an address that takes a form alone is a page to who opens it; Django's answer is empty.

    One gets there by going back, by an address kept in the browser, or by signing in on the way to it.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Say what the address is for, to a browser; a program has the status and `Allow`."""
        response = self.get_response(request)
        browses = "html" in request.headers.get("Accept", "") and not wants_json(request)
        if not isinstance(response, HttpResponseNotAllowed) or response.content or not browses:
            return response
        error = errors.Invalid(_("This address takes what a page of the portal sends, and shows nothing of its own."))
        told = render(request, "errors/405.html", {"error": error, "back": _back(request)}, status=405)
        told["Allow"] = response["Allow"]
        return told


def _brings_nul(request: HttpRequest) -> bool:
    """Whether the address or the form has what the database refuses to hear of, as no browser sends it."""
    texts = (text for sent in (request.GET, request.POST) for _name, said in sent.lists() for text in said)
    return "\0" in request.path or any("\0" in text for text in texts)


def _request_id(request: HttpRequest) -> str:
    """The client's own id of the request, where it sent one, so that its log and ours can be read together."""
    sent = request.headers.get("X-Request-Id") or request.headers.get("X-Amzn-Trace-Id") or ""
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


class BoundedUpload(FileUploadHandler):
    """Stops keeping a file that no form of ours takes; the form's other answers are read to the end.

    What was too large arrives as an empty file of that name. A file of more than 1 MiB lies on the disk: a form may
    bring several, and whoever asks is known only after they are read.
    """

    taken = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """A new file begins at nothing."""
        super().new_file(*args, **kwargs)
        self.taken = 0
        self.kept = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 closed with the last word of it

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep it while it may still be taken."""
        self.taken += len(raw_data)
        if self.taken > UPLOAD_LIMIT:
            self.kept.seek(0)
            self.kept.truncate()
        else:
            self.kept.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """The file, or an empty one that remembers its size."""
        self.kept.seek(0)
        return InMemoryUploadedFile(
            self.kept, self.field_name, self.file_name, self.content_type, file_size, self.charset
        )


def page(request: HttpRequest, error: errors.WeighbridgeError) -> HttpResponse:
    """The error for a person: sign in first where that may help, else a page that says what to do."""
    if isinstance(error, errors.NotSignedIn):
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={quote(request.get_full_path())}")
    status = status_of(error)
    shown = status if status in {400, 403, 404, 429, 503} else 400
    context = {"error": error, "status": status, "back": _back(request)}
    response = render(request, f"errors/{shown}.html", context, status=status)
    say_when(response, error)
    return response


def _back(request: HttpRequest) -> str:
    """The address of our page that a refused request came from; empty where no other is known than what was refused.

    The browser's own way back may show the page as it was, or ask whether to send a form again.
    """
    referer = request.headers.get("Referer", "")
    way = referer.removeprefix(settings.BASE_URL)
    if not way.startswith("/") or not url_has_allowed_host_and_scheme(way, allowed_hosts=None):
        return ""
    asks_the_same = request.method in {"GET", "HEAD"} and urlsplit(way).path == request.path
    return "" if asks_the_same else way


def away(request: HttpRequest) -> HttpResponse:
    """The database is away: said as nginx says that the portal is, to OpenAI's clients, other programs and people."""
    error = errors.Unavailable(
        _("The portal’s database does not answer at present. Try again in a few seconds."), retry_after_s=5
    )
    if _QUERIES.match(request.path):
        told = {"message": error.message, "type": "server_error", "param": None, "code": error.code}
        response: HttpResponse = JsonResponse({"error": told}, status=503)
    elif wants_json(request) or "text/html" not in request.headers.get("Accept", ""):
        body = {**problem(error), "error": error.message}  # the Hub's clients read `error`
        response = JsonResponse(body, status=503, content_type="application/problem+json")
    else:
        response = HttpResponse(render_to_string("errors/away.html", {"error": error}), status=503)
    say_when(response, error)
    response["Cache-Control"] = "no-store"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own fault: a reference to quote, and no detail; drawn without the session or the database, which may be at fault.

    What fails before or behind a page, as where its person is read, comes here alone: the database may be away for it too.
    """
    if is_away(sys.exc_info()[1]):
        return away(request)
    reference = request.META.get("weighbridge.request_id", "")
    if wants_json(request):
        return JsonResponse(
            {
                "type": "about:blank",
                "status": 500,
                "title": _("A fault of ours. Reference %(reference)s.") % {"reference": reference},
                "code": "server_error",
            },
            status=500,
            content_type="application/problem+json",
        )
    return HttpResponse(render_to_string("errors/500.html", {"reference": reference}), status=500)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that leads nowhere."""
    error = errors.NotFound(_("There is nothing at this address. Check it, or begin at the catalogue."))
    return problem_response(error) if wants_json(request) else page(request, error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that could not be read."""
    error = errors.Invalid(_("The request could not be read. Check its form and encoding."))
    return problem_response(error) if wants_json(request) else page(request, error)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Refused by the framework: the operator's admin shows rows that nobody adds or changes by hand."""
    error = errors.NotAllowed(_("Your account has no right to this. Nothing was changed."))
    return problem_response(error) if wants_json(request) else page(request, error)


def out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of this browser: sent after a sign-in elsewhere, without cookies, or forged. Status 403.

    A program that shows a token is on the wrong way: no reload helps it.
    """
    if request.headers.get("Authorization"):
        text = _("This address takes forms of the portal’s own pages, and no token. Programs ask below /api/v1.")
        return problem_response(errors.NotAllowed(text, code="not_for_programs"))
    error = errors.NotAllowed(
        _("The form was out of date. Go back, reload the page and send it again."), code="form_out_of_date"
    )
    if wants_json(request):
        return problem_response(error)
    return render(request, "errors/out_of_date.html", {"error": error}, status=403)
