"""Files and batches as OpenAI's clients read them: objects, lists, errors. And who asks, by a query token alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt

from inference.batch_lifecycle import State
from inference.batch_models import Batch, BatchFile
from inference.introspection import refusal
from portal.errors import BadToken, Invalid, NotAllowed, NotFound, WeighbridgeError
from portal.http import say_when, status_of
from portal.people.models import User
from portal.projects.models import Project
from portal.tokens.authentication import identify
from portal.tokens.models import AccessToken

P = ParamSpec("P")
T = TypeVar("T", Batch, BatchFile)
_ID: Final = re.compile(r"(file-|batch_)([0-9a-f]{32})")
_KINDS: Final = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit"}
_STAMPS: Final = {
    "completed_at": State.COMPLETED, "failed_at": State.FAILED, "expired_at": State.EXPIRED,
    "cancelled_at": State.CANCELLED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the person, the token they show, and the project that it is for."""

    person: User
    token: AccessToken
    project: Project


Door = Callable[Concatenate[HttpRequest, Asker, P], HttpResponseBase]


def door(*methods: str) -> Callable[[Door[P]], Callable[..., HttpResponseBase]]:
    """Wrap a view: bearer tokens alone, these methods, and every error in OpenAI's shape, in English."""

    def wrap(view: Door[P]) -> Callable[..., HttpResponseBase]:
        @csrf_exempt
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with translation.override("en-gb"):
                try:
                    who = asker(request)
                    if request.method not in methods:
                        return _not_allowed(methods)
                    return view(request, who, *args, **kwargs)
                except WeighbridgeError as error:
                    return refused(error)

        return guarded

    return wrap


def asker(request: HttpRequest) -> Asker:
    """Who asks. Raises BadToken, NotAllowed: as the gateway does for a query."""
    credential = identify(request.headers.get("Authorization"))
    if credential is None:
        raise BadToken("No token. Send the header Authorization: Bearer wb_q_….", code="missing_token")
    token = credential.token
    why = refusal(token, timezone.now())
    if why is not None and why.code == "wrong_kind":
        raise NotAllowed(why.message, code=why.code)
    if why is not None or token.project is None:
        raise BadToken(why.message if why else "This token has no project.", code=why.code if why else "")
    return Asker(token.user, token, token.project)


def refused(error: WeighbridgeError) -> JsonResponse:
    """A domain error as OpenAI's clients raise it; a field that is wrong becomes `param`."""
    status = status_of(error)
    param = next(iter(error.fields), None) if isinstance(error, Invalid) else None
    response = problem(status, error.code, error.message, param=param)
    say_when(response, error)
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response


def problem(status: int, code: str, message: str, *, param: str | None = None) -> JsonResponse:
    """OpenAI's error object. A client must not repeat what can only fail again, so 409 says so."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    response = JsonResponse(body, status=status)
    if status == 409:
        response["x-should-retry"] = "false"
    return response


def _not_allowed(methods: Sequence[str]) -> JsonResponse:
    response = problem(405, "method_not_allowed", f"Use {' or '.join(methods)} here.")
    response["Allow"] = ", ".join(methods)
    return response


def pk_of(prefix: str, text: object) -> UUID | None:
    """The key behind an id of ours, or None."""
    found = _ID.fullmatch(text) if isinstance(text, str) else None
    return UUID(found[2]) if found and found[1] == prefix else None


def file_named(text: object, who: Asker) -> BatchFile:
    """The file of the asker's project. Raises NotFound for everybody else's."""
    pk = pk_of("file-", text)
    found = BatchFile.objects.filter(pk=pk, project=who.project, expires_at__gt=timezone.now()).first() if pk else None
    if found is None:
        raise NotFound("There is no such file in this token's project.")
    return found


def batch_named(text: object, who: Asker) -> Batch:
    """The batch of the asker's project. Raises NotFound for everybody else's."""
    pk = pk_of("batch_", text)
    found = Batch.objects.filter(pk=pk, project=who.project).first() if pk else None
    if found is None:
        raise NotFound("There is no such batch in this token's project.")
    return found


def listed(
    request: HttpRequest, rows: QuerySet[T], prefix: str, draw: Callable[[T], dict[str, Any]], *, limit: int, most: int
) -> JsonResponse:
    """A page of a list, from the newest (or the oldest, `order=asc`): `limit`, `after`. Raises Invalid."""
    asked = request.GET.get("limit", str(limit))
    if not asked.isascii() or not asked.isdigit() or len(asked) > 6 or not 1 <= int(asked) <= most:
        raise Invalid(f"limit is a whole number from 1 to {most}.", fields={"limit": ["Out of range."]})
    order = request.GET.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise Invalid("order is asc or desc.", fields={"order": ["Unknown."]})
    rows = rows.order_by("created_at", "pk") if order == "asc" else rows.order_by("-created_at", "-pk")
    if after := request.GET.get("after"):
        rows = rows.filter(_behind(rows, pk_of(prefix, after), order))
    page = list(rows[: int(asked) + 1])
    data = [draw(row) for row in page[: int(asked)]]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return JsonResponse({"object": "list", "data": data, **ends, "has_more": len(page) > int(asked)})


def _behind(rows: QuerySet[T], pk: UUID | None, order: str) -> Q:
    mark = rows.filter(pk=pk).values_list("created_at", flat=True).first() if pk else None
    if mark is None:
        raise Invalid("after is the id of something in this list.", fields={"after": ["Unknown."]})
    way = "gt" if order == "asc" else "lt"
    return Q(**{f"created_at__{way}": mark}) | Q(**{"created_at": mark, f"pk__{way}": pk})


def file_object(file: BatchFile) -> dict[str, Any]:
    """OpenAI's `file`."""
    return {
        "id": file.wire_id, "object": "file", "bytes": file.bytes, "created_at": _seconds(file.created_at),
        "expires_at": _seconds(file.expires_at), "filename": file.name, "purpose": file.purpose, "status": "processed",
        "status_details": None,
    }  # fmt: skip


def batch_object(batch: Batch) -> dict[str, Any]:
    """OpenAI's `batch`."""
    return {
        "id": batch.wire_id, "object": "batch", "endpoint": batch.endpoint, "model": batch.model or None,
        "errors": {"object": "list", "data": batch.problems} if batch.problems else None,
        "input_file_id": f"file-{batch.input_file.hex}", "completion_window": "24h", "status": batch.state,
        "output_file_id": _file_id(batch.output_file), "error_file_id": _file_id(batch.error_file),
        "created_at": _seconds(batch.created_at), "in_progress_at": _seconds(batch.began_at),
        "expires_at": _seconds(batch.expires_at), "finalizing_at": _seconds(batch.finalizing_at),
        **{name: _seconds(batch.ended_at) if batch.state == state else None for name, state in _STAMPS.items()},
        "cancelling_at": _seconds(batch.cancelling_at),
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": {
            "input_tokens": batch.prompt_tokens, "input_tokens_details": {"cached_tokens": batch.cached_tokens},
            "output_tokens": batch.completion_tokens, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": batch.tokens,
        },
        "metadata": batch.metadata or None,
    }  # fmt: skip


def _file_id(pk: UUID | None) -> str | None:
    return f"file-{pk.hex}" if pk else None


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
