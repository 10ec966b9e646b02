"""The writers of logbooks. Each is one transaction: lock the logbook, check, write, audit.

Who holds the logbook's row gives numbers to entries; nobody else can, so the order has no twins, and no holes but where an
import was taken back (releases.logbook.taking_back).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from releases.actions.committing import lock
from releases.actions.rights import require_open, require_staff
from releases.chronicles.drafts import Draft, Parsed, Problem
from releases.logbook import entry_fields
from releases.logbook_lifecycle import State, Verb, next_state
from releases.logbook_models import Entry, Logbook, Run, RunKind
from releases.models import Family, Model
from releases.sentences import Sentence
from releases.spoken import spoken

PROBLEMS_MAX: Final = 50
"""Lines whose problems are told; the rest are counted."""
_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Imported:
    """How many entries came, how many of them correct an earlier one, and how many were there already."""

    added: int
    corrected: int
    known: int
    at: datetime | None = None
    """The moment that names this import, by which it can be taken back; None where nothing came."""


@transaction.atomic
def open_logbook(*, subject: Family | Model, by: User | None, title: str = "", source: str = "") -> Logbook:
    """The logbook of a model, or of a family beside its models'; made when there is none."""
    require_staff(by, subject.lab)
    if isinstance(subject, Model):
        lock(subject)
        whose: dict[str, Any] = {"model": subject, "family": subject.family}
        found = Logbook.objects.with_subjects().filter(model=subject).first()
    else:
        Family.objects.select_for_update(of=("self",)).get(pk=subject.pk)
        whose = {"family": subject, "model": None}
        found = Logbook.objects.with_subjects().filter(**whose).first()
    if found:
        return found
    name = subject.name if isinstance(subject, Model) else subject.title
    made = Logbook.objects.create(
        **whose, title=(title or _("Logbook of %(name)s") % {"name": name})[:160], source=source
    )
    trail.record(Event.LOGBOOK_OPENED, by=by, target=made, lab=subject.lab, subject=subject.full_name)
    return made


@transaction.atomic
def add_entry(
    *,
    logbook: Logbook,
    by: User | None,
    said: Mapping[str, Any],
    supersedes: Entry | None = None,
    annotates: Entry | None = None,
) -> Entry:
    """Write an entry at the end; what it `supersedes` or `annotates` is kept as it is.

    In a frozen logbook the only entry that may come is an erratum, which supersedes another. Raises Invalid, field by
    field (releases.logbook.entry_fields says what `said` may hold), and Conflict in another state.
    """
    locked = _locked(logbook, by)
    verb = Verb.ANNOTATE if annotates else Verb.ADD
    if supersedes:
        verb = Verb.SUPERSEDE if locked.state == State.OPEN else Verb.CORRECT
    _require(locked, verb)
    told = entry_fields.checked(said)
    _require_related(locked, supersedes, annotates)
    entry = Entry.objects.create(
        logbook=locked, order=_last(locked) + 1, run=_run(locked, told.pop("run")), by=by, supersedes=supersedes,
        annotates=annotates, erratum=verb == Verb.CORRECT, **told,
    )  # fmt: skip
    _touch(locked)
    event = Event.ENTRY_CORRECTED if supersedes else Event.ENTRY_ADDED
    trail.record(
        event, by=by, target=entry, lab=locked.lab, subject=locked.subject.full_name, entry=entry.order,
        **({"supersedes": supersedes.order} if supersedes else {}),
    )  # fmt: skip
    return entry


@transaction.atomic
def edit_entry(*, entry: Entry, by: User | None, said: Mapping[str, Any]) -> Entry:
    """Change what an entry says, while its logbook is open; the trail keeps what stood there.

    Raises NotFound where it was taken back meanwhile, and as add_entry.
    """
    locked = _locked(entry.logbook, by)
    _require(locked, Verb.EDIT)
    told = entry_fields.checked(said)
    told["run"] = _run(locked, told.pop("run"))
    _require_there(locked, entry)
    current = Entry.objects.select_related("run").get(pk=entry.pk)
    differing = {name: value for name, value in told.items() if getattr(current, name) != value}
    if differing:
        before = {name: entry_fields.as_json(getattr(current, name)) for name in differing}
        Entry.objects.filter(pk=entry.pk).update(**differing)
        _touch(locked)
        trail.record(
            Event.ENTRY_EDITED, by=by, target=entry, lab=locked.lab, subject=locked.subject.full_name,
            entry=entry.order, before=before,
        )  # fmt: skip
    return Entry.objects.select_related("run").get(pk=entry.pk)


@transaction.atomic
def import_entries(*, logbook: Logbook, parsed: Parsed, name: str, by: User | None, recorded: bool = False) -> Imported:
    """Add what a source holds and the logbook does not, in the source's order. Twice is once.

    What the logbook knows by the same ref in other words is superseded, and stays. `recorded`: a published revision or
    a data file of the catalogue says so itself, which a frozen logbook takes too. Raises Invalid with the problems,
    line by line, and has then written nothing.
    """
    locked = _locked(logbook, by)
    _require(locked, Verb.RECORD if recorded else Verb.IMPORT)
    known = _Known.of(locked)
    _refuse([*parsed.problems, *known.problems(parsed)])
    fresh = [draft for draft in parsed.entries if not known.has(draft)]
    start = _last(locked) + 1
    at = timezone.now()
    runs = _runs(locked, parsed, fresh, at)
    rows = [_row(locked, order, draft, runs, by, at) for order, draft in enumerate(fresh, start)]
    corrected = _write(locked, list(zip(fresh, rows, strict=True)), known)
    if rows:
        _touch(locked)
        trail.record(
            Event.LOGBOOK_IMPORTED, by=by, target=locked, lab=locked.lab, subject=locked.subject.full_name,
            source=name, added=len(rows), corrected=corrected,
        )  # fmt: skip
    return Imported(len(rows), corrected, len(parsed.entries) - len(rows), at if rows else None)


class _Known:
    """What a logbook has already: entries by ref, by ref and digest, and what each was corrected by."""

    def __init__(self, rows: list[tuple[int, str, str, int | None]]) -> None:
        self.digests = {(ref, digest) for _pk, ref, digest, _old in rows if ref}
        self.by_ref = {ref: pk for pk, ref, _digest, _old in rows if ref}
        self.successors = {old: pk for pk, _ref, _digest, old in rows if old}

    @classmethod
    def of(cls, logbook: Logbook) -> _Known:
        """Reads it in the order of its entries."""
        fields = ("pk", "ref", "digest", "supersedes")
        return cls(list(logbook.entries.order_by("order").values_list(*fields)))

    def has(self, draft: Draft) -> bool:
        """Whether exactly this was imported before."""
        return (draft.ref, draft.digest) in self.digests

    def newest(self, ref: str) -> int | None:
        """The entry that stands today for what has this ref."""
        pk = self.by_ref.get(ref)
        while pk in self.successors:
            pk = self.successors[pk]
        return pk

    def note(self, entry: Entry) -> None:
        """An entry was written."""
        self.by_ref[entry.ref] = entry.pk
        if entry.supersedes_id:
            self.successors[entry.supersedes_id] = entry.pk

    def problems(self, parsed: Parsed) -> list[Problem]:
        """Links that lead to no entry of the logbook, and to none earlier in the source."""
        seen, found = set(self.by_ref), []
        for draft in parsed.entries:
            for ref in filter(None, (draft.supersedes, draft.annotates)):
                if ref not in seen:
                    wrong = Sentence("There is no earlier entry with the id %(ref)s.", ref=ref)
                    found.append(Problem(draft.line, wrong))
            seen.add(draft.ref)
        return found


def _write(logbook: Logbook, rows: list[tuple[Draft, Entry]], known: _Known) -> int:
    """Insert: those that speak of no other entry in batches, then the others in order. How many correct one."""
    linked: list[tuple[Draft, Entry]] = []
    plain: list[tuple[Draft, Entry]] = []
    for draft, row in rows:
        (linked if draft.supersedes or draft.annotates or draft.ref in known.by_ref else plain).append((draft, row))
    for row in Entry.objects.bulk_create([row for _draft, row in plain], batch_size=_BATCH):
        known.note(row)
    for draft, row in linked:
        if draft.annotates:
            row.annotates_id = known.by_ref[draft.annotates]
        else:
            row.supersedes_id = known.newest(draft.supersedes or draft.ref)
            row.erratum = logbook.state == State.FROZEN
        row.save(force_insert=True)
        known.note(row)
    return sum(row.supersedes_id is not None for _draft, row in linked)


def _row(logbook: Logbook, order: int, draft: Draft, runs: Mapping[str, Run], by: User | None, at: datetime) -> Entry:
    return Entry(
        logbook=logbook, order=order, run=runs.get(draft.run), raw_stamp=draft.raw_stamp, at=draft.at,
        confidence=draft.confidence, step=draft.step, kind=draft.kind, raw_kind=draft.raw_kind,
        severity=draft.severity, title=draft.title, text=draft.text, before=dict(draft.before),
        after=dict(draft.after), source=draft.source, ref=draft.ref, digest=draft.digest, by=by,
        created_at=at,
    )  # fmt: skip


def _runs(logbook: Logbook, parsed: Parsed, fresh: list[Draft], at: datetime) -> dict[str, Run]:
    """Every run of the logbook by name, with those that the source names for the first time."""
    runs = {run.name: run for run in logbook.runs.all()}
    for told in parsed.runs:
        if told.name not in runs:
            runs[told.name] = Run.objects.create(
                logbook=logbook, name=told.name, kind=told.kind, parent=runs.get(told.parent),
                parent_step=told.parent_step, told_at=at,
            )  # fmt: skip
    missing = dict.fromkeys(draft.run for draft in fresh if draft.run and draft.run not in runs)
    made = Run.objects.bulk_create([Run(logbook=logbook, name=name) for name in missing])
    return runs | {run.name: run for run in made}


def _refuse(problems: list[Problem]) -> None:
    if problems:
        told = [spoken(problem.placed) for problem in problems[:PROBLEMS_MAX]]
        if len(problems) > PROBLEMS_MAX:
            told.append(_("And %(n)s more.") % {"n": number_format(len(problems) - PROBLEMS_MAX, force_grouping=True)})
        raise Invalid(_("Nothing was imported. Correct these lines and import again."), fields={"text": told})


def _run(logbook: Logbook, name: str) -> Run | None:
    return Run.objects.get_or_create(logbook=logbook, name=name, defaults={"kind": RunKind.START})[0] if name else None


def _locked(logbook: Logbook, by: User | None) -> Logbook:
    require_open()
    locked = Logbook.objects.with_subjects().select_for_update(of=("self",)).get(pk=logbook.pk)
    require_staff(by, locked.lab)
    return locked


def _require(locked: Logbook, verb: Verb) -> None:
    if next_state(locked.state, verb) is None:
        raise Conflict(_("This logbook is frozen. Correct one of its entries by an erratum."))


def _require_related(logbook: Logbook, supersedes: Entry | None, annotates: Entry | None) -> None:
    if supersedes and annotates:
        raise Invalid(_("An entry supersedes or annotates another, not both."))
    for other in filter(None, (supersedes, annotates)):
        if other.logbook_id != logbook.pk:
            raise Invalid(_("Choose an entry of this logbook."))
        _require_there(logbook, other)
    if supersedes and Entry.objects.filter(supersedes=supersedes).exists():
        raise Conflict(_("This entry was corrected already. Correct the one that corrects it."))


def _require_there(logbook: Logbook, entry: Entry) -> None:
    """Raise NotFound for an entry whose import was taken back since it was read."""
    if not logbook.entries.filter(pk=entry.pk).exists():
        raise NotFound(_("There is no entry of this number in this logbook."))


def _last(logbook: Logbook) -> int:
    return max(logbook.last_number, logbook.entries.aggregate(last=Max("order"))["last"] or 0)


def _touch(logbook: Logbook) -> None:
    Logbook.objects.filter(pk=logbook.pk).update(changed_at=timezone.now())
