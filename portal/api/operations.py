"""One operation of the REST API, said once: its name, what it asks for and gives, and who may call it.

The same declaration reads the request, writes the answer and describes both in the OpenAPI document. A session may
speak as its person does; a token needs one of the operation's scopes. What belongs to another lab is 404.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial, wraps
from typing import Any, Final

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal import errors
from portal.api import idempotency
from portal.api.fields import Taken
from portal.api.files import FILE_TYPE, Sent
from portal.api.problems import Problem
from portal.people.models import User
from portal.people.second_factor import require_recent

REVIEW: Final = "review"
MANAGE: Final = "manage"
STAFF: Final = (REVIEW, MANAGE)
IN_PERSON: Final[tuple[str, ...]] = ()
"""No token speaks for it: what a holder or applicant says is said in person, by session."""
BODY_LIMIT: Final = 1 << 20
"""Bytes of a request, where the operation does not say another limit."""
SAFE: Final = ("GET", "HEAD")
PROBLEMS: Final = {
    400: "The request is malformed or incomplete; `fields` says where.",
    401: "No credential, or one that is unknown, expired or revoked.",
    403: "Known and refused: a scope, a role or a condition is missing, or it must be confirmed that it is you.",
    404: "There is nothing here that this caller may know of.",
    409: "The thing changed since it was read, its state does not allow this, or the first request is still at work.",
    413: "The request is larger than this operation takes: 1 MiB, where it does not say another limit.",
    415: "The body is compressed, or of another type than this operation takes; `title` says which.",
    422: "The idempotency key was used for another request.",
    429: "This was asked more often than is given in a time; `Retry-After` says when to ask again.",
    503: "A part of the portal is not there now; `Retry-After` says when to ask again. Without it that does not help: the "
    "operator has not set this part up.",
}

Shape = type[serializers.Serializer[Any]]


class Paging(Taken):
    """What every list is asked."""

    page = serializers.IntegerField(required=False, default=1, min_value=1, max_value=1_000_000, help_text="From 1.")


class Pages(PageNumberPagination):
    """50 to a page."""

    page_size = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of a list that are made into something else one page at a time."""

    rows: Any
    each: Callable[[Any], Any]


class Scoped(APIView):
    """One address. Its methods are operations."""

    permission_classes = [AllowAny]
    """`initial` asks more precisely."""

    def declared(self) -> Operation | None:
        """The operation that is asked for; None for a method that is none, and while the API is described."""
        method = str(getattr(self.request, "method", "")).lower()
        found: Operation | None = getattr(getattr(self, method, None), "operation", None)
        return found

    def get_authenticators(self) -> list[BaseAuthentication]:
        """None where everybody may ask: a credential is not even looked at."""
        declared = self.declared()
        return [] if declared and declared.scopes is None else super().get_authenticators()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse before anything is read: no credential, a token without the scope, a body past all measure."""
        super().initial(request, *args, **kwargs)
        declared = self.declared()
        if declared is None:
            return
        if declared.scopes is not None:
            self.person(request)
            _require_scope(request, declared.scopes)
        if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META:
            raise errors.Invalid(
                _("Send the body whole, with a Content-Length, and not in chunks."), code="length_required"
            )
        if int(request.META.get("CONTENT_LENGTH") or 0) > declared.most:
            raise errors.TooLarge(_("Send at most %(n)s MiB.") % {"n": declared.most >> 20})

    def person(self, request: Request) -> User:
        """Who asks."""
        if not isinstance(request.user, User):
            raise errors.NotSignedIn(_("Show a token as “Authorization: Bearer wb_…”, or sign in."))
        return request.user


def _require_scope(request: Request, scopes: tuple[str, ...]) -> None:
    held: Iterable[str] | None = getattr(request.auth, "scopes", None)
    if held is None or set(held) & set(scopes):
        return
    if not scopes:
        raise errors.NotAllowed(_("This is said in person: sign in, no token does it."), code="insufficient_scope")
    wanted = ", ".join(f"“{scope}”" for scope in scopes)
    message = _("This token has none of the scopes that this needs: %(scopes)s.") % {"scopes": wanted}
    raise errors.NotAllowed(message, code="insufficient_scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The declaration of one method of one address."""

    name: str
    """Its operation id."""
    tag: str
    scopes: tuple[str, ...] | None
    """Any one of them is enough for a token; IN_PERSON for sessions alone; None for everybody.

    A write for everybody is one that happens once by itself (a mailed secret): answers are kept by person, so none is.
    """
    gives: Shape | None = None
    asks: Shape | None = None
    """The parameters of the query."""
    takes: Shape | None = None
    """The body."""
    takes_file: bool = False
    """Whether the body is a file's bytes; the method gets it as `sent`, and the view parses by portal.api.files."""
    most: int = BODY_LIMIT
    """Bytes of the body."""
    listed: bool = False
    status: int = 200
    problems: tuple[int, ...] = ()
    """Beside those that follow from the rest."""
    recent: bool = False
    """Whether a session must have confirmed lately that it is its person."""
    hides: str = ""
    """A field of the answer that is never kept."""
    example: Any = None
    """A body that works."""
    links: Mapping[str, Mapping[str, str]] | None = None
    """Operation → its parameters, out of this answer."""

    def __call__(self, method: Callable[..., Any]) -> Callable[..., Response]:
        """Wrap a method: it gets `asked` and `said` as they were declared, and returns what the shape draws."""

        @wraps(method)
        def handle(view: Scoped, request: Request, **at: Any) -> Response:
            run = partial(self._run, method, view, request, at)
            return run() if request.method in SAFE else idempotency.once(request, run, hides=self.hides)

        handle.operation = self  # type: ignore[attr-defined]
        described: Callable[..., Response] = _described(self, method)(handle)
        return described

    def _run(self, method: Callable[..., Any], view: Scoped, request: Request, at: dict[str, Any]) -> Response:
        given = dict(at)
        if self.asks or self.listed:
            given["asked"] = read(_asks(self), request.query_params.dict())
        if self.takes:
            given["said"] = read(self.takes, request.data)
        if self.takes_file:
            given["sent"] = _sent(request.data)
        if self.recent and request.auth is None:
            require_recent(request._request)
        answer = method(view, request, **given)
        if self.listed:
            return self._page(view, request, answer)
        return Response(self.gives(answer).data if self.gives else None, status=self.status)

    def _page(self, view: Scoped, request: Request, answer: object) -> Response:
        listed = answer if isinstance(answer, Listed) else Listed(answer, lambda row: row)
        pages = Pages()
        page: list[object] = pages.paginate_queryset(listed.rows, request, view=view) or []
        shape = self.gives or Paging
        return pages.get_paginated_response([shape(listed.each(row)).data for row in page])


def read(shape: Shape, given: object) -> dict[str, Any]:
    """What was sent, in its types. Raises ValidationError field by field."""
    said = shape(data=given)
    said.is_valid(raise_exception=True)
    return dict(said.validated_data)


def _sent(given: object) -> Sent:
    """The file that came; an empty body reaches no parser. Raises Invalid for it."""
    if not isinstance(given, Sent):
        raise errors.Invalid(_("The body is empty. Send the bytes of the file."))
    return given


def _asks(operation: Operation) -> Shape:
    if operation.asks is None or not operation.listed:
        return operation.asks or Paging
    return type(f"{operation.asks.__name__}Paged", (operation.asks, Paging), {})


def _described(operation: Operation, method: Callable[..., Any]) -> Callable[..., Any]:
    text = inspect.cleandoc(method.__doc__ or "")
    summary, _, more = text.partition("\n\n")
    writes = method.__name__ not in {"get", "head"}
    parameters: list[Any] = [_asks(operation)] if operation.asks or operation.listed else []
    parameters += [_KEY, _REPLAYED] if writes and operation.scopes is not None else []
    example = [OpenApiExample("example", value=operation.example, request_only=True)] if operation.example else []
    return extend_schema(
        operation_id=operation.name,
        tags=[operation.tag],
        summary=" ".join(summary.split()).rstrip("."),
        description="\n\n".join(part for part in (text, _size(operation), _who(operation)) if part)
        if more or text
        else "",
        parameters=parameters,
        request={FILE_TYPE: OpenApiTypes.BINARY} if operation.takes_file else operation.takes,
        responses=_responses(operation, writes=writes),
        auth=_auth(operation, writes=writes),
        examples=example,
        extensions={"x-links": operation.links} if operation.links else None,
    )


_KEY: Final = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "maxLength": idempotency.LENGTH, "pattern": "^[ -~]*$"},
    OpenApiParameter.HEADER,
    description="Any text of your own, for instance a UUID. The same write under the same key happens once; its "
    "answer is kept for 24 hours and given again.",
)
_REPLAYED: Final = OpenApiParameter(
    idempotency.REPLAYED, str, OpenApiParameter.HEADER, enum=["true"], response=[200, 201, 204],
    description="`true` where a kept answer is given again.",
)  # fmt: skip


def _size(operation: Operation) -> str:
    return f"At most {operation.most >> 20} MiB." if operation.most != BODY_LIMIT else ""


def _who(operation: Operation) -> str:
    if operation.scopes is None:
        return "For everybody."
    if not operation.scopes:
        return "By session alone: it is said in person."
    scopes = " or ".join(f"`{scope}`" for scope in operation.scopes)
    return f"By session, or with a token of scope {scopes}."


def _auth(operation: Operation, *, writes: bool) -> list[Any]:
    if operation.scopes is None:
        return [{}]
    session: dict[str, list[str]] = {"session": [], "csrf": []} if writes else {"session": []}
    return [*({"token": [scope]} for scope in operation.scopes), session]


def _responses(operation: Operation, *, writes: bool) -> dict[Any, Any]:
    known = set(operation.problems)
    known |= {401, 403, 404} if operation.scopes is not None else set()  # 404: to people without a role it is not there
    known |= {400} if writes or operation.asks or operation.listed else set()
    known |= {404} if operation.listed else set()
    known |= {409, 413, 415} if writes else set()
    known |= {422} if writes and operation.scopes is not None else set()
    body: Any = operation.gives
    if operation.listed and operation.gives:
        body = _page_shape(operation.gives)
    first = {operation.status: OpenApiResponse(body, description="Done." if writes else "Found.")}
    rest = {
        (status, "application/problem+json"): OpenApiResponse(Problem, description=PROBLEMS[status])
        for status in sorted(known)
    }
    return first | rest


@cache
def _page_shape(shape: Shape) -> serializers.Serializer[Any]:
    return inline_serializer(
        f"{shape.__name__}Page",
        {
            "count": serializers.IntegerField(help_text="Of all pages."),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": shape(many=True),
        },
    )
