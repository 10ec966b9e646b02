"""The writers of scores: imported for a revision, brought up to date for a catalogue entry, withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from releases.actions.rights import require_open, require_staff, require_there
from releases.evaluation_models import Score
from releases.evaluation_rows import Row
from releases.evaluations.readers import SHOWN
from releases.models import Family, Model, Revision

CORRECTED: Final = "The catalogue entry was corrected."
_BATCH: Final = 1000
_CLOSE: Final = 1e-9
"""Relative difference under which two numbers are the same, written and read again."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many scores were new, and how many were there already."""

    added: int
    known: int
    at: datetime | None = None
    """The moment that names this import, by which it can be taken back from a draft; None where nothing came."""


@transaction.atomic
def import_scores(
    *, revision: Revision, rows: Sequence[Row], by: User | None, raw_path: str = "", weights: str = ""
) -> Imported:
    """Keep the scores of a revision; the same again changes nothing.

    `raw_path` is the file of the revision that they were read from. `weights` is the weight id or the SHA-256 of a
    weights file that the evaluation names; Invalid where this revision has neither. Invalid too, with each place, where
    a score is kept already with another value: that one is withdrawn first, so that nothing changes unseen. NotFound
    where the draft, or its model, was deleted meanwhile.
    """
    require_open()
    model = Model.objects.select_for_update(of=("self",)).select_related("lab").get(pk=revision.model_id)
    require_staff(by, model.lab)
    require_there(model)
    if not model.revisions.filter(pk=revision.pk).exists():
        raise NotFound(_("There is no revision of this name. See the list of revisions."))
    own = weight_id(revision)
    _require_weights(revision, own, weights)
    subject = f"revision:{revision.pk}"
    made = [
        (subject, row, {"revision": revision, "weights": own, "raw_path": row.raw_path or raw_path}) for row in rows
    ]
    told = _keep(made, by)
    if told.added:
        trail.record(
            Event.SCORES_IMPORTED, by=by, target=revision, lab=model.lab, model=model.full_name,
            commit=revision.commit, added=told.added, file=raw_path,
        )  # fmt: skip
    return told


@transaction.atomic
def enter_scores(
    *, family: Family, rows: Sequence[tuple[str, Row]], beside: Iterable[str] = (), by: User | None
) -> Imported:
    """Bring the scores of a catalogue entry to exactly these (subject, row); what is there no more is withdrawn."""
    locked = Family.objects.select_for_update(of=("self",)).select_related("lab").get(pk=family.pk)
    require_staff(by, locked.lab)
    others, prefix = frozenset(beside), f"family:{locked.pk}:"
    wanted = {row.identity(prefix + subject): row for subject, row in rows}
    standing = Score.objects.standing().filter(family=locked)
    gone = [s.pk for s in standing if s.identity not in wanted or not _same(s, wanted[s.identity])]
    Score.objects.filter(pk__in=gone).update(withdrawn_at=timezone.now(), withdrawn_reason=CORRECTED)
    told = _keep(
        [(prefix + who, row, {"family": locked, "subject": who, "beside": who in others}) for who, row in rows], by
    )
    if told.added or gone:
        trail.record(
            Event.SCORES_IMPORTED, by=by, target=locked, lab=locked.lab, family=locked.full_name, added=told.added,
            withdrawn=len(gone),
        )  # fmt: skip
    return told


@transaction.atomic
def take_back_scores(*, revision: Revision, at: datetime, by: User | None) -> int:
    """Undo an import into a draft: its scores are gone. How many. `at` is the moment that names it.

    Raises Conflict once the revision is published: what was public is withdrawn, score by score, and stays to be read;
    NotFound where nothing was imported at that moment.
    """
    require_open()
    model = Model.objects.select_for_update(of=("self",)).select_related("lab").get(pk=revision.model_id)
    require_staff(by, model.lab)
    if Revision.objects.filter(pk=revision.pk, published_at__isnull=False).exists():
        raise Conflict(
            _("This revision is published: its scores stay to be read. Withdraw the one that does not hold.")
        )
    removed, _each = Score.objects.filter(revision=revision, entered_at=at).delete()
    if not removed:
        raise NotFound(_("This draft has no import of that moment."))
    trail.record(
        Event.SCORES_TAKEN_BACK, by=by, target=revision, lab=model.lab, model=model.full_name, commit=revision.commit,
        removed=removed, entered=at.isoformat(),
    )  # fmt: skip
    return removed


@transaction.atomic
def withdraw_score(*, score: Score, reason: str, by: User | None) -> Score:
    """Say in public that a score does not hold. It stays to be read, with the reason; another may be entered.

    Raises Invalid without a reason, Conflict where it was withdrawn before.
    """
    require_staff(by, score.lab)
    locked = Score.objects.select_for_update(of=("self",)).drawn().get(pk=score.pk)
    reason = reason.replace("\0", "").strip()
    if not reason or len(reason) > 2_000:
        wrong = _("Say why, in at most 2,000 characters: its readers will ask.")
        raise Invalid(wrong, fields={"reason": [wrong]})
    if locked.withdrawn_at:
        raise Conflict(_("It was withdrawn already."))
    locked.withdrawn_at, locked.withdrawn_reason = timezone.now(), reason
    locked.save(update_fields=["withdrawn_at", "withdrawn_reason"])
    trail.record(
        Event.SCORE_WITHDRAWN, by=by, target=locked, lab=locked.lab, of=locked.about, task=locked.task,
        metric=locked.metric,
    )  # fmt: skip
    return locked


def weight_id(revision: Revision) -> str:
    """The root over the digests of its tensors; empty where the check found none."""
    return str((revision.facts.get("weights") or {}).get("root", ""))


def _require_weights(revision: Revision, own: str, named: str) -> None:
    if named and named != own and not revision.files.filter(blob=named).exists():
        text = _(
            "The evaluation names weights %(digest)s…, which this revision does not have. Choose the revision that was measured."
        )
        raise Invalid(text % {"digest": named[:12]}, fields={"document": [text % {"digest": named[:12]}]})


def _keep(made: Sequence[tuple[str, Row, dict[str, Any]]], by: User | None) -> Imported:
    """Insert what is new. Raises Invalid for whatever is kept with another value, or stands twice with two."""
    wanted: dict[str, Score] = {}
    places: dict[str, str] = {}
    problems = []
    for subject, row, owner in made:
        identity = row.identity(subject)
        if identity in wanted and not _same(wanted[identity], row):
            problems.append(f"{row.place}: the same score stands at {places[identity]} with another value.")
        places.setdefault(identity, row.place)
        wanted.setdefault(identity, _score(row, identity, owner, by))
    known = {s.identity: s for s in Score.objects.standing().filter(identity__in=list(wanted))}
    for identity, score in known.items():
        if not _same(score, wanted[identity]):
            problems.append(
                f"{places[identity]}: it is kept already with the value {score.value:g}. Withdraw that score first."
            )
    if problems:
        raise Invalid(_("Nothing was imported."), fields={"document": problems[:SHOWN]})
    new = [score for identity, score in wanted.items() if identity not in known]
    at = timezone.now()
    for score in new:
        score.entered_at = at
    Score.objects.bulk_create(new, batch_size=_BATCH)
    return Imported(len(new), len(known), at if new else None)


def _score(row: Row, identity: str, owner: dict[str, Any], by: User | None) -> Score:
    told = asdict(row)
    told.pop("place")
    return Score(**(told | owner), identity=identity, entered_by=by)


def _same(one: Score | Row, other: Score | Row) -> bool:
    """Whether both tell the same value and errors."""
    names = ("value", "stderr", "low", "high", "n")
    return all(_equal(getattr(one, name), getattr(other, name)) for name in names)


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other))
