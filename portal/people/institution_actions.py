"""The writers of institutions: the register's import, and domains that the operator accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.people import ror
from portal.people.domains import FREE_MAIL
from portal.people.models import Institution, InstitutionStatus, ReviewedDomain, User

BATCH: Final = 1000
TAKEN: Final = ("name", "status", "country", "city", "website", "domains", "types", "aliases")
"""What is copied from a record."""
DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


@dataclass(slots=True)
class Report:
    """What an import did."""

    added: int = 0
    changed: int = 0
    same: int = 0
    withdrawn: int = 0
    """Of those changed, how many the register has withdrawn since."""
    faults: list[str] = field(default_factory=list)


def import_register(records: Iterable[dict[str, Any]], *, by: User | None) -> Report:
    """Bring records of the register into the table, a thousand to a transaction.

    Running it again changes nothing; after an interruption it goes on where it stopped. Nothing is ever deleted:
    a withdrawn institution stays, with its successor, because people worked there. Each transaction that changed
    anything has its entry in the trail, so that an import which broke off is known by what it did.

    Raises Invalid where the records break off, with how many of them are in.
    """
    report, successors = Report(), dict[str, str]()
    try:
        for batch in _batches(_checked(records, report)):
            _write(batch, report, by)
            successors |= {record.ror: record.successor for record in batch.values() if record.successor}
    except Invalid as error:
        if not (report.added or report.changed):
            raise
        raise Invalid(
            f"{error.message} Before that {report.added} institutions were added and {report.changed} changed; "
            "import a whole file to have the rest."
        ) from error
    with transaction.atomic():
        _link(successors)
        trail.record(
            Event.INSTITUTIONS_IMPORTED,
            by=by,
            target="people.institution:",
            added=report.added,
            changed=report.changed,
            withdrawn=report.withdrawn,
            faults=len(report.faults),
        )
    return report


def _checked(records: Iterable[dict[str, Any]], report: Report) -> Iterator[ror.Record]:
    for raw in records:
        try:
            yield ror.record(raw)
        except Invalid as error:
            report.faults.append(error.message)


def _batches(records: Iterator[ror.Record]) -> Iterator[dict[str, ror.Record]]:
    while batch := list(islice(records, BATCH)):
        yield {record.ror: record for record in batch}


@transaction.atomic
def _write(batch: dict[str, ror.Record], report: Report, by: User | None) -> None:
    known = {row.ror: row for row in Institution.objects.select_for_update().filter(ror__in=batch).order_by("pk")}
    fresh = [_filled(Institution(ror=identity), record) for identity, record in batch.items() if identity not in known]
    changed, withdrawn = [], 0
    for identity, row in known.items():
        before, status = _values(row), row.status
        _filled(row, batch[identity])
        if _values(row) != before:
            changed.append(row)
            withdrawn += row.status == InstitutionStatus.WITHDRAWN != status
    Institution.objects.bulk_create(fresh)
    Institution.objects.bulk_update(changed, [*TAKEN, "search"])
    if fresh or changed:
        trail.record(
            Event.INSTITUTIONS_WRITTEN,
            by=by,
            target="people.institution:",
            added=len(fresh),
            changed=len(changed),
            withdrawn=withdrawn,
        )
    report.added += len(fresh)
    report.changed += len(changed)
    report.withdrawn += withdrawn
    report.same += len(known) - len(changed)


def _filled(row: Institution, record: ror.Record) -> Institution:
    for name in TAKEN:
        value = getattr(record, name)
        setattr(row, name, list(value) if isinstance(value, tuple) else value)
    row.index()
    return row


def _values(row: Institution) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in (*TAKEN, "search"))


def _link(successors: dict[str, str]) -> None:
    """Point the institutions that ended at those that took their place, where the dump named one that we know."""
    named = {*successors, *successors.values()}
    rows = {row.ror: row for row in Institution.objects.filter(ror__in=named).only("pk", "ror", "successor_id")}
    moved = []
    for old, new in successors.items():
        row, heir = rows.get(old), rows.get(new)
        if row and heir and row.pk != heir.pk and row.successor_id != heir.pk:
            row.successor = heir
            moved.append(row)
    Institution.objects.bulk_update(moved, ["successor"], batch_size=BATCH)


@transaction.atomic
def accept_domain(*, institution: Institution, domain: str, by: User | None) -> ReviewedDomain:
    """Accept addresses of a domain that the register does not name as addresses at this institution.

    Raises Invalid for what is no domain and for public mail services.
    """
    wanted = checked_domain(domain)
    row, created = ReviewedDomain.objects.get_or_create(institution=institution, domain=wanted)
    if created:
        trail.record(Event.DOMAIN_ACCEPTED, by=by, target=institution, domain=wanted)
    return row


@transaction.atomic
def withdraw_domain(*, reviewed: ReviewedDomain, by: User | None) -> None:
    """Take a domain back that was accepted. What was verified by it stays until its year is over."""
    trail.record(Event.DOMAIN_WITHDRAWN, by=by, target=reviewed.institution, domain=reviewed.domain)
    reviewed.delete()


def checked_domain(domain: str) -> str:
    """The domain in its one spelling; raises Invalid for what is none, and for public mail services."""
    wanted = domain.strip().lower().removeprefix("@").rstrip(".")
    if not DOMAIN.fullmatch(wanted):
        message = _("Write a domain, for example northfield.example.")
        raise Invalid(message, fields={"domain": [message]})
    if wanted in FREE_MAIL:
        message = _("Anyone can have an address there. It shows nothing about an institution.")
        raise Invalid(message, fields={"domain": [message]})
    return wanted
