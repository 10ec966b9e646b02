"""Lists as files: CSV for a spreadsheet, JSON lines for a program; made row by row as it is sent."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from portal.access import waiting
from portal.access.application_models import Application, ApplicationQuerySet
from portal.access.institutional_models import RosterLine
from portal.access.models import Grant, GrantQuerySet
from portal.access.outstanding import Standing

CHUNK: Final = 1_000
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula when it stands first (OWASP, CSV injection)."""

COLUMNS: Final = (
    *("reference", "gate", "applicant", "email", "status", "lane", "assignee", "sent", "decided"),
    *("business_days", "target_days"),
)


def as_row(application: Application, now: datetime) -> dict[str, Any]:
    """What a list says of an application: no answer, no note, no message."""
    sent, decided = application.submitted_at, application.decided_at
    return dict(
        zip(
            COLUMNS,
            (
                application.reference,
                application.gate.slug,
                application.applicant.get_full_name(),
                application.applicant.email,
                application.status,
                application.lane,
                application.assignee.get_full_name() if application.assignee else "",
                sent.isoformat(timespec="seconds") if sent else "",
                decided.isoformat(timespec="seconds") if decided else "",
                waiting.business_days(sent, decided or now) if sent else 0,
                application.gate.target_days,
            ),
            strict=True,
        )
    )


def csv_lines(rows: ApplicationQuerySet, now: datetime) -> Iterator[str]:
    """Head and rows; a cell that a spreadsheet would calculate gets an apostrophe in front."""
    yield line(COLUMNS)
    for row in rows.iterator(chunk_size=CHUNK):
        yield line(as_row(row, now).values())


def line(cells: Iterable[object]) -> str:
    """One line of CSV; a cell that a spreadsheet would calculate gets an apostrophe in front."""
    written = io.StringIO()
    csv.writer(written).writerow([harmless(cell) for cell in cells])
    return written.getvalue()


def harmless(value: object) -> object:
    """The value, unless it is a text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def json_lines(rows: ApplicationQuerySet, now: datetime) -> Iterator[str]:
    """One object a line."""
    for row in rows.iterator(chunk_size=CHUNK):
        yield json.dumps(as_row(row, now), ensure_ascii=False) + "\n"


def outstanding_lines(rows: Iterable[Standing]) -> Iterator[str]:
    """Who has yet to sign, as CSV."""
    yield line(("name", "email", "state", "due", "signed_version", "signed_at"))
    for row in rows:
        due, signed = row.due, row.signed_at
        yield line(
            (
                row.user.get_full_name(),
                row.user.email,
                row.state,
                due.isoformat(timespec="seconds") if due else "",
                row.signed or "",
                signed.isoformat(timespec="seconds") if signed else "",
            )
        )


Lines = Callable[[ApplicationQuerySet, datetime], Iterator[str]]
SHAPES: Final[dict[str, tuple[Lines, str]]] = {
    "csv": (csv_lines, "text/csv; charset=utf-8"),
    "jsonl": (json_lines, "application/x-ndjson; charset=utf-8"),
}


GRANT_COLUMNS: Final = (
    *("reference", "gate", "holder", "email", "project", "opens", "from", "until", "state"),
    *("deletion_due", "closed_out", "deleted_on"),
)


def grant_row(grant: Grant, now: datetime) -> list[object]:
    """What a list says of a grant: no reason, no statement."""
    moments = (grant.starts_at, grant.ends_at, grant.deletion_due_at, grant.closed_out_at)
    begin, end, due, closed = (each.isoformat(timespec="seconds") if each else "" for each in moments)
    who = (grant.user.get_full_name(), grant.user.email, grant.project.title)
    opens, state = " ".join(grant.capabilities), str(grant.state(now))
    return [grant.reference, grant.gate.slug, *who, opens, begin, end, state, due, closed, grant.deleted_on or ""]


def grant_lines(rows: GrantQuerySet, now: datetime) -> Iterator[str]:
    """Head and rows as CSV, with the same guard against formulas."""
    yield line(GRANT_COLUMNS)
    for row in rows.iterator(chunk_size=CHUNK):
        yield line(grant_row(row, now))


def roster_lines(rows: QuerySet[RosterLine]) -> Iterator[str]:
    """A roster as CSV: head and rows."""
    yield line(("name", "address", "state", "since", "grant", "until"))
    for row in rows.iterator(chunk_size=CHUNK):
        grant, name = row.grant, row.user.get_full_name() if row.user else ""
        held = (grant.reference, grant.ends_at.isoformat(timespec="seconds")) if grant else ("", "")
        yield line((name, row.address, row.status, row.since.isoformat(timespec="seconds"), *held))
