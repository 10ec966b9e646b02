"""OpenAI's files and batches: `/v1/files`, `/v1/batches`. Each door reads one request and calls one action."""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Final, cast

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import FileResponse, HttpRequest, HttpResponseBase, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from inference.batch_models import Batch, BatchFile, Purpose
from inference.batches import actions, wire
from inference.batches.wire import Asker, door
from portal.errors import Invalid, NotFound, TooLarge
from releases.storage.drawer import drawer

_BODY_BYTES: Final = 256 * 1024
_FORM_BYTES: Final = 64 * 1024
"""What a form may have beside its file."""
_DRAINED: Final = 4
"""A body up to so many times the bound is read to its end, so that its client hears why it was refused."""
_UPLOADED: Final = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})
_BATCH: Final = frozenset({"input_file_id", "endpoint", "completion_window", "metadata"})
_SHORTEST_S: Final = 3600
_DAY_S: Final = 86_400


@door("GET", "POST")
def files(request: HttpRequest, who: Asker) -> HttpResponseBase:
    """List the project's files, or upload one."""
    if request.method == "POST":
        return JsonResponse(wire.file_object(_upload(request, who)))
    rows = BatchFile.objects.filter(project=who.project, expires_at__gt=timezone.now())
    if purpose := request.GET.get("purpose"):
        rows = rows.filter(purpose=purpose) if purpose in Purpose else rows.none()
    return wire.listed(request, rows, "file-", wire.file_object, limit=1_000, most=10_000)


@door("GET", "DELETE")
def file(request: HttpRequest, who: Asker, file: str) -> HttpResponseBase:
    """What a file is, or delete it."""
    found = wire.file_named(file, who)
    if request.method == "DELETE":
        actions.discard(file=found, by=who.person)
        return JsonResponse({"id": found.wire_id, "object": "file", "deleted": True})
    return JsonResponse(wire.file_object(found))


@door("GET")
def file_content(request: HttpRequest, who: Asker, file: str) -> HttpResponseBase:
    """The bytes of a file."""
    return content(wire.file_named(file, who))


@door("GET", "POST")
def batches(request: HttpRequest, who: Asker) -> HttpResponseBase:
    """List the project's batches, or make one."""
    if request.method == "POST":
        return JsonResponse(wire.batch_object(_create(request, who)))
    rows = Batch.objects.filter(project=who.project)
    return wire.listed(request, rows, "batch_", wire.batch_object, limit=20, most=100)


@door("GET")
def batch(request: HttpRequest, who: Asker, batch: str) -> HttpResponseBase:
    """How far a batch is."""
    return JsonResponse(wire.batch_object(wire.batch_named(batch, who)))


@door("POST")
def cancel(request: HttpRequest, who: Asker, batch: str) -> HttpResponseBase:
    """Send no further row of a batch."""
    found = actions.cancel(batch=wire.batch_named(batch, who), by=who.person)
    return JsonResponse(wire.batch_object(found))


@csrf_exempt
def absent(request: HttpRequest, rest: str) -> HttpResponseBase:
    """Nothing else is under these addresses."""
    return wire.problem(404, "unknown_endpoint", "There is nothing here. Endpoints: /v1/files, /v1/batches.")


def content(file: BatchFile) -> HttpResponseBase:
    """A file as it leaves us: a download that no browser looks into. Raises NotFound."""
    try:
        source = drawer().open(file.pk.hex)
    except FileNotFoundError as gone:
        raise NotFound("The bytes of this file are gone.") from gone
    response = FileResponse(source, as_attachment=True, filename=file.name or "file", content_type="application/jsonl")
    response["Content-Length"] = str(file.bytes)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _upload(request: HttpRequest, who: Asker) -> BatchFile:
    most = settings.BATCH_FILE_BYTES
    _bound(request, most + _FORM_BYTES, f"A file may have at most {most:,} bytes. Make several.")
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    try:
        form, sent = request.POST, request.FILES
    except (MultiPartParserError, UnreadablePostError, SuspiciousOperation) as error:
        raise Invalid("The form could not be read. Send multipart/form-data: purpose and file.") from error
    if unknown := sorted(form.keys() - _UPLOADED):
        raise _field(unknown[0][:64], "is not known here. Leave it out")
    if form.get("purpose") != Purpose.BATCH:
        raise _field("purpose", "must be batch")
    given = sent.get("file")
    if not isinstance(given, UploadedFile) or given.file is None or len(sent) != 1:
        raise _field("file", "is missing. Send one file of that name")
    return actions.upload(
        by=who.person,
        project=who.project,
        name=given.name or "",
        source=cast("BinaryIO", given.file),
        size=given.size or 0,
        days=_days(form),
    )


def _days(form: Any) -> float | None:  # noqa: ANN401 a QueryDict
    seconds = form.get("expires_after[seconds]")
    if seconds is None:
        return None
    longest = settings.BATCH_FILE_DAYS * _DAY_S
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9 or not _SHORTEST_S <= int(seconds) <= longest:
        raise _field("expires_after[seconds]", f"must be a whole number from {_SHORTEST_S} to {longest}")
    if form.get("expires_after[anchor]") != "created_at":
        raise _field("expires_after[anchor]", "must be created_at")
    return int(seconds) / _DAY_S


def _create(request: HttpRequest, who: Asker) -> Batch:
    said = _json(request)
    if unknown := sorted(said.keys() - _BATCH):
        raise _field(unknown[0][:64], "is not known here. Leave it out")
    if said.get("completion_window") != "24h":
        raise _field("completion_window", "must be 24h")
    metadata = said.get("metadata")
    if not isinstance(metadata, dict | None):
        raise _field("metadata", "must be an object of text")
    endpoint = said.get("endpoint")
    file = wire.file_named(said.get("input_file_id"), who)
    return actions.create(
        by=who.person, token=who.token, project=who.project, endpoint=endpoint if isinstance(endpoint, str) else "",
        input_file=file.pk, metadata=metadata or {},
    )  # fmt: skip


def _json(request: HttpRequest) -> dict[str, Any]:
    _bound(request, _BODY_BYTES, f"Send at most {_BODY_BYTES:,} bytes.")
    try:
        said = json.loads(request.body)
    except (ValueError, RecursionError, UnreadablePostError, SuspiciousOperation) as error:
        raise Invalid("The body is no JSON.") from error
    if not isinstance(said, dict):
        raise Invalid("The body must be a JSON object.")
    return said


def _bound(request: HttpRequest, most: int, message: str) -> None:
    """Raises TooLarge before anything is kept; what is not far too large is read to its end first."""
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if size <= most:
        return
    if size <= _DRAINED * most:
        while request.read(1 << 20):
            pass
    raise TooLarge(message)


def _field(name: str, what: str) -> Invalid:
    return Invalid(f"{name} {what}.", fields={name: [what]})
