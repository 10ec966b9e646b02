"""The receipt of a query: what the ledger says of it, as a document that anybody can check without us (portal/signing.py).

It is made from the ledger's row when its owner first asks, far from the hot path, and kept as it was sealed. It holds no
word of what was asked or answered, and of people and projects only the ids that the owner sees.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from inference.models import Status, UsageRecord, day_of
from inference.receipt_models import QueryReceipt
from portal import signing
from portal.agreements.proving import Proved, finder
from portal.errors import NotFound
from portal.people.models import User
from portal.written import stamp, thousands

SCHEMA: Final = "weighbridge.query/1"
FORMAT: Final = "weighbridge-receipt-1"
_DAY: Final = timedelta(days=1)
_AT_A_TIME: Final = 1_000
_GATEWAYS_ID: Final = re.compile(r"req-([0-9a-f]{12})[0-9a-f]{20}")


@transaction.atomic
def draw(*, by: User, request_id: str) -> QueryReceipt:
    """The receipt of one of the person's own requests, made now if this is the first time.

    What it says is in the ledger already, so the audit trail has no entry of it. Raises NotFound for a request that is
    not theirs or not in the ledger (yet).
    """
    kept = QueryReceipt.objects.filter(request_id=request_id, user_id=str(by.pk)).first()
    if kept is not None:
        return kept
    made = _sealed(_row(by, request_id))
    QueryReceipt.objects.bulk_create([made], ignore_conflicts=True)
    return QueryReceipt.objects.get(request_id=request_id)


def draw_all(*, by: User, request_ids: Sequence[str], since: datetime, until: datetime) -> dict[str, QueryReceipt]:
    """The same for many requests that were begun in that time; what is not in the ledger (yet), or not theirs, is left out."""
    found: dict[str, QueryReceipt] = {}
    for start in range(0, len(request_ids), _AT_A_TIME):
        wanted = request_ids[start : start + _AT_A_TIME]
        kept = QueryReceipt.objects.filter(user_id=str(by.pk))
        missing = set(wanted) - set(kept.filter(request_id__in=wanted).values_list("request_id", flat=True))
        days = (since.astimezone(UTC).date() - _DAY, until.astimezone(UTC).date() + _DAY)
        rows = UsageRecord.objects.filter(request_id__in=missing, user_id=str(by.pk), started_day__range=days)
        QueryReceipt.objects.bulk_create(map(_sealed, rows), ignore_conflicts=True)
        found |= kept.in_bulk(wanted)
    return found


def _sealed(row: UsageRecord) -> QueryReceipt:
    told = document(row)
    key_id, seal = signing.seal(told)
    return QueryReceipt(
        request_id=row.request_id, user_id=row.user_id, document=told, document_sha256=signing.digest(told), key_id=key_id,
        seal=seal,
    )  # fmt: skip


def document(row: UsageRecord) -> dict[str, Any]:
    """What the receipt says; times in UTC."""
    return {
        "schema": SCHEMA,
        "portal": settings.BASE_URL,
        "request": row.request_id,
        "endpoint": row.endpoint,
        "stream": row.stream,
        "model": row.model,
        "revision": row.revision,
        "engine": row.engine or None,
        "fingerprint": row.fingerprint or None,
        "backend": row.backend or None,
        "parameters_sha256": row.parameters or None,
        "tokens": {
            "prompt": row.prompt_tokens,
            "completion": row.completion_tokens,
            "cached": row.cached_tokens,
        },
        "status": row.status,
        "started_at": _time(row.started_at),
        "first_byte_at": _time(row.first_byte_at),
        "ended_at": _time(row.ended_at),
        "project": row.project_id,
        "person": row.user_id,
        "token": row.token_id,
    }


def envelope(receipt: QueryReceipt) -> dict[str, Any]:
    """The receipt as a file: the document, its digest and its seal."""
    return {
        "format": FORMAT,
        "document": receipt.document,
        "sha256": receipt.document_sha256,
        "ed25519": {"public_key": receipt.key_id, "signature": receipt.seal},
    }


@finder
def proved(sha256: str) -> Proved | None:
    """For the public page: what it shows of the receipt with this digest. Who has the receipt has the rest."""
    receipt = QueryReceipt.objects.filter(document_sha256=sha256).first()
    if receipt is None:
        return None
    told = receipt.document
    tokens = told["tokens"]
    return Proved(
        title=_("Receipt of a query"),
        facts=[
            (pgettext("of a query", "Request"), told["request"]),
            (_("Model"), told["model"]),
            (_("Revision"), told["revision"]),
            (_("Engine"), told["engine"] or "—"),
            (_("Fingerprint"), told["fingerprint"] or "—"),
            (_("Tokens of the prompt"), thousands(tokens["prompt"])),
            (_("Tokens of the answer"), thousands(tokens["completion"])),
            (_("Outcome"), str(Status(told["status"]).label)),
            (_("Ended"), stamp(datetime.fromisoformat(told["ended_at"]))),
        ],
        document=told,
        sha256=receipt.document_sha256,
        key_id=receipt.key_id,
        seal=receipt.seal,
    )


def _row(user: User, request_id: str) -> UsageRecord:
    """The person's own row. The id begins with its time, so that a month's partition is enough to look at."""
    rows = UsageRecord.objects.filter(request_id=request_id, user_id=str(user.pk))
    days = _days_of(request_id)
    row = (rows.filter(started_day__range=days) if days else rows).first()
    if row is None:
        raise NotFound(_("There is no such request of yours. The ledger has one about a second after its end."))
    return row


def _days_of(request_id: str) -> tuple[date, date] | None:
    """The days around the time that the id begins with; None where it begins with none."""
    found = _GATEWAYS_ID.fullmatch(request_id)
    try:
        day = day_of(int(found[1], 16)) if found else None
        return (day - _DAY, day + _DAY) if day else None
    except (ValueError, OverflowError):  # a time that no calendar has
        return None


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
