"""A revision is checked: every file read back and held against its name and digest, then the release as a whole."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from portal.audit import trail
from portal.audit.events import Event
from portal.outbox import delivery
from portal.people.models import User
from portal.postgres import locks
from releases import formats, gathering, lifecycle
from releases.actions.revisions import Deleted, step
from releases.actions.rights import require_staff
from releases.inspection.asking import Tensors
from releases.lifecycle import State, Verb
from releases.lint import Severity, lint
from releases.lint.weights import whole_of
from releases.models import Blob, BlobState, File, Revision
from releases.openness import found as openness
from releases.proofs import digests, records
from releases.sentences import Sentence
from releases.storage import store

LOOKED_INTO_MAX: Final = 50
"""Refused files of a revision of which is told what they would have run."""
BROKEN_OFF: Final = Sentence(
    "The check broke off: the store did not answer, or whoever asked may not check any more. Check it again, and tell the "
    "operator if it stays so."
)
_TELL_S: Final = 0.5
"""Seconds between two words on how far the check is."""


@dataclass
class Report:
    """What a check has found so far. `tensors` are those of each weights file, by path."""

    findings: list[Sentence] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, Tensors] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """Number of tensors, of parameters, and elements by type."""
        types: dict[str, int] = {}
        counted = self._counted()
        for tensors in counted:
            for kind, elements in tensors.types.items():
                types[kind] = types.get(kind, 0) + elements
        count = sum(tensors.count for tensors in counted)
        return {"tensors": count, "parameters": sum(types.values()), "types": types}

    def _counted(self) -> list[Tensors]:
        """The weights once: the safetensors files; where there are none, the largest of the GGUF models."""
        if plain := [found for path, found in self.tensors.items() if path.lower().endswith(".safetensors")]:
            return plain
        wholes: dict[str, list[Tensors]] = defaultdict(list)
        for path, found in self.tensors.items():
            wholes[whole_of(path)].append(found)
        return max(wholes.values(), key=lambda files: sum(found.elements for found in files), default=[])


@transaction.atomic
def request_check(*, revision: Revision, by: User) -> Revision:
    """Have the revision checked by a worker, which tells how far it is. Raises Conflict when it is past checking.

    Asked again meanwhile, nothing more is done, unless nothing was heard of the check for long.
    """
    locked = step(revision, Verb.CHECK, by)
    if locked.check_wanted_at is None or locked.check_is_silent:
        Revision.objects.filter(pk=locked.pk).update(check_wanted_at=timezone.now(), check_done=0)
        delivery.enqueue("revision.check", key=f"revision:{locked.pk}", revision=locked.pk, by=str(by.pk))
    return Revision.objects.get(pk=locked.pk)


def carry_out_check(*, pk: int, by: str) -> None:
    """What request_check() asked for, by a worker. However it ends, nothing waits for it any more: one may ask again.

    Does nothing where nobody waits for it, another worker is at it (the broker sends a task again after an hour), or the
    draft was deleted.
    """
    waiting = Revision.objects.filter(pk=pk).exclude(check_wanted_at=None)
    with locks.alone(f"check {pk}") as alone:
        revision = waiting.select_related("model__lab").first()
        if not alone or revision is None:
            return
        try:
            check(revision=revision, by=User.objects.get(pk=by))
        except Deleted:
            return
        except Exception:
            waiting.filter(state=State.DRAFT).update(
                findings=[BROKEN_OFF.kept()], notices=[], refused=[], checked_at=None
            )
            waiting.update(check_wanted_at=None)
            raise
        waiting.update(check_wanted_at=None)  # where it was published meanwhile, nothing was written


def check(*, revision: Revision, by: User | None) -> Revision:
    """Read every file back from the store, then look at the release as a whole; `checked`, or findings. Raises Deleted.

    Not one transaction: reading may take long. What is read cannot change, so only the outcome is written under a lock.
    """
    require_staff(by, revision.model.lab)
    if lifecycle.next_state(revision.state, Verb.CHECK) is None:
        return revision
    report, told = Report(), Progress(revision)
    if not revision.files.exists():
        report.findings.append(Sentence("A revision needs at least one file."))
    for file in revision.files.select_related("blob"):
        try:
            _inspect(file, report, told)
        except formats.Unfit as refused:
            report.findings.append(refused.said)
            if len(report.findings) <= LOOKED_INTO_MAX:
                report.refused += _would_run(file)
            Blob.objects.filter(pk=file.blob_id).exclude(state=BlobState.VERIFIED).update(state=BlobState.QUARANTINED)
        told.past(file)
    _lint(revision, report)
    weights = None if report.findings else records.weights(revision)
    root = str(weights["root"]) if weights else ""
    reached = None if report.findings else openness.of_revision(revision, root).reached
    return _checked(revision, report, report.facts | {"weights": weights, "openness": reached}, by)


class Progress:
    """Bytes read so far, written to the revision now and then for those who watch the desk."""

    def __init__(self, revision: Revision) -> None:
        self._rows = Revision.objects.filter(pk=revision.pk).exclude(check_wanted_at=None)
        self._before, self._said_at = 0, 0.0

    def inside(self, done: int) -> None:
        """So many bytes of the file at hand are read."""
        if time.monotonic() - self._said_at >= _TELL_S:
            self._tell(self._before + done)
            self._said_at = time.monotonic()

    def past(self, file: File) -> None:
        """The file at hand is done."""
        self._before += file.size
        self._tell(self._before)

    def _tell(self, done: int) -> None:
        self._rows.update(check_done=done, check_wanted_at=timezone.now())


def _inspect(file: File, report: Report, told: Progress) -> None:
    if store().size(file.sha256) != file.size:
        raise formats.Unfit(Sentence("The store does not hold %(path)s. Store it again.", path=file.path))
    with store().open(file.sha256) as source:
        look = formats.check(file.path, file.size, source)
        taken = digests.take(source, digests.layout(file.path, look.tensors), told.inside)
    if taken.sha256 != file.sha256:
        raise formats.Unfit(
            Sentence("The store's copy of %(path)s does not match its digest. Store it again.", path=file.path)
        )
    records.keep(file.sha256, taken)
    report.notices += ({"rule": "file", **notice.kept()} for notice in look.notices)
    if look.tensors:
        report.tensors[file.path] = look.tensors


def _would_run(file: File) -> list[dict[str, Any]]:
    """What the refused file would have run, if anything is to be told."""
    if store().size(file.sha256) is None:
        return []
    with store().open(file.sha256) as source:
        found = formats.would_run(file.size, source)
    return [{"path": file.path, **found}] if any(found.values()) else []


def _lint(revision: Revision, report: Report) -> None:
    for finding in lint(gathering.candidate(revision, report.tensors)):
        if finding.severity is Severity.ERROR:
            report.findings.append(finding.said)
        else:
            report.notices.append({"rule": finding.rule, **finding.said.kept()})


@transaction.atomic
def _checked(revision: Revision, report: Report, facts: dict[str, Any], by: User | None) -> Revision:
    locked = Revision.objects.select_for_update().filter(pk=revision.pk).first()
    if locked is None:
        raise Deleted(revision)
    if locked.state not in {State.DRAFT, State.CHECKED}:
        return locked
    now, findings = timezone.now(), [found.kept() for found in report.findings]
    locked.findings, locked.notices, locked.refused = findings, report.notices, report.refused
    locked.facts, locked.check_wanted_at = facts, None
    locked.state, locked.checked_at = (State.DRAFT, None) if findings else (State.CHECKED, now)
    locked.save(update_fields=["findings", "notices", "refused", "facts", "state", "checked_at", "check_wanted_at"])
    if not findings:
        Blob.objects.filter(files__revision=locked).update(state=BlobState.VERIFIED, verified_at=now)
    trail.record(
        Event.REVISION_CHECKED, by=by, target=locked, lab=revision.model.lab, commit=locked.commit,
        findings=[str(found) for found in report.findings],
    )  # fmt: skip
    return locked
