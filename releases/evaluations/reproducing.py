"""The writers of reproductions: somebody reports one, takes it back; the lab accepts it, or questions it with a note."""

from __future__ import annotations

import math
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail import sending
from portal.people.models import Membership, User
from releases import lifecycle
from releases.actions.rights import require_staff
from releases.evaluation_metrics import Unit
from releases.evaluation_models import Score
from releases.evaluation_rows import N_MAX
from releases.evaluation_verdicts import State, Verb, Verdict, next_state, weigh
from releases.reproduction_models import Reproduction

_MOST: Final = {
    "harness": 120,
    "harness_version": 120,
    "weights": 64,
    "environment": 4_000,
    "command": 4_000,
    "note": 4_000,
}
_ASKED: Final = ("harness", "environment", "command")
_EVENTS: Final = {Verb.ACCEPT: Event.REPRODUCTION_ACCEPTED, Verb.QUESTION: Event.REPRODUCTION_QUESTIONED}


@transaction.atomic
def report_reproduction(
    *,
    score: Score,
    by: User,
    value: float,
    tolerance: float,
    harness: str,
    environment: str,
    command: str,
    stderr: float | None = None,
    n: int | None = None,
    harness_version: str = "",
    weights: str = "",
    note: str = "",
) -> Reproduction:
    """Say what came out when a score was measured again; the verdict follows from it. Values in the score's unit.

    Raises Invalid field by field, NotAllowed to the lab's own staff, Conflict for a score that was withdrawn and for a
    second report of the same person while the first stands.
    """
    locked = Score.objects.select_for_update(of=("self",)).drawn().get(pk=score.pk)
    if by.roles_in(locked.lab):
        raise NotAllowed(_("You work in the laboratory whose score this is. A reproduction is somebody else’s."))
    if locked.withdrawn_at:
        raise Conflict(_("This score was withdrawn: there is nothing to reproduce."))
    told: dict[str, Any] = {
        "harness": harness, "harness_version": harness_version, "weights": weights.lower(), "environment": environment,
        "command": command, "note": note,
    }  # fmt: skip
    told = {name: text.replace("\0", "").strip() for name, text in told.items()}
    _require_sense(locked, told, value, stderr, n, tolerance)
    if Reproduction.objects.shown().filter(score=locked, by=by).exists():
        raise Conflict(_("You have reported on this score already. Take that report back first."))
    sums = weigh(value=locked.value, stderr=locked.stderr, again=value, again_stderr=stderr, tolerance=tolerance)
    made = Reproduction.objects.create(
        score=locked, by=by, value=value, stderr=stderr, n=n, tolerance=tolerance, verdict=sums.verdict.value,
        same_harness=told["harness"].lower() == locked.harness.lower(), **told,
    )  # fmt: skip
    trail.record(
        Event.REPRODUCTION_REPORTED, by=by, target=made, lab=locked.lab, of=locked.about, task=locked.task,
        metric=locked.metric, verdict=made.verdict,
    )  # fmt: skip
    _tell_lab(made)
    return made


@transaction.atomic
def review_reproduction(*, reproduction: Reproduction, verb: Verb, note: str = "", by: User) -> Reproduction:
    """The lab accepts a report, or questions it and says why; the verdict stays what the arithmetic gives.

    Raises Invalid where a question has no words, Conflict where the report's state does not allow it.
    """
    locked = _locked(reproduction)
    require_staff(by, locked.score.lab)
    note = note.replace("\0", "").strip()
    if (verb is Verb.QUESTION and not note) or len(note) > 2_000:
        wrong = _("Say what is in doubt, in at most 2,000 characters: everybody reads it.")
        raise Invalid(wrong, fields={"note": [wrong]})
    _step(locked, verb)
    locked.review_note, locked.reviewed_at, locked.reviewed_by = note, timezone.now(), by
    locked.save(update_fields=["state", "review_note", "reviewed_at", "reviewed_by"])
    trail.record(
        _EVENTS[verb], by=by, target=locked, lab=locked.score.lab, of=locked.score.about, task=locked.score.task
    )
    if locked.by and locked.by.is_active:
        context = _context(locked, locked.by) | {"accepted": verb is Verb.ACCEPT}
        key = f"reproduction:{locked.pk}"
        sending.send(
            to=locked.by.email, template="reproduction_reviewed", context=context, key=key, language=locked.by.language
        )
    return locked


@transaction.atomic
def withdraw_reproduction(*, reproduction: Reproduction, by: User) -> Reproduction:
    """Its reporter takes it back. Raises NotAllowed to everybody else."""
    locked = _locked(reproduction)
    if locked.by_id != by.pk:
        raise NotAllowed(_("Only who reported it can take it back."))
    _step(locked, Verb.WITHDRAW)
    locked.save(update_fields=["state"])
    trail.record(
        Event.REPRODUCTION_WITHDRAWN, by=by, target=locked, lab=locked.score.lab, of=locked.score.about,
        task=locked.score.task,
    )  # fmt: skip
    return locked


def _locked(reproduction: Reproduction) -> Reproduction:
    rows = Reproduction.objects.select_for_update(of=("self",))
    related = ("score__revision__model__lab", "score__family__lab", "by")
    return rows.select_related(*related).get(pk=reproduction.pk)


def _step(reproduction: Reproduction, verb: Verb) -> None:
    reached: State | None = next_state(reproduction.state, verb)
    if reached is None:
        raise Conflict(_("This cannot be done now: the report changed meanwhile. Read it again."))
    reproduction.state = reached.value


def _require_sense(
    score: Score, told: dict[str, Any], value: float, stderr: float | None, n: int | None, tolerance: float
) -> None:
    """Raise Invalid for everything that cannot be right, field by field."""
    fields: dict[str, list[str]] = {name: [_("Write it.")] for name in _ASKED if not told[name]}
    for name, most in _MOST.items():
        if len(told[name]) > most:
            fields[name] = [_("At most %(n)s characters.") % {"n": number_format(most, force_grouping=True)}]
    for name, number in (("value", value), ("stderr", stderr), ("tolerance", tolerance)):
        if number is not None and not math.isfinite(number):
            fields[name] = [_("Write a number.")]
        elif number is not None and name != "value" and number < 0:
            fields[name] = [_("Write a number that is not negative.")]
    if score.unit == Unit.SHARE and math.isfinite(value) and not 0 <= value <= 1:
        fields["value"] = [_("This metric lies between 0 and 100 per cent.")]
    if n is not None and not 1 <= n <= N_MAX:
        fields["n"] = [_("Write how many items were measured, or leave it empty.")]
    if told["weights"] and score.weights and told["weights"] != score.weights:
        fields["weights"] = [
            _("These are other weights than those of the score. Report on the revision that has them.")
        ]
    if fields:
        raise Invalid(_("The report was not kept."), fields=fields)


def _tell_lab(made: Reproduction) -> None:
    staff = Membership.objects.active().filter(lab=made.score.lab, role__in=lifecycle.STAFF).values("user")
    for reader in User.objects.filter(pk__in=staff, is_active=True).order_by("pk"):
        context = _context(made, reader) | {"differs": made.verdict == Verdict.DIFFERS}
        key = f"reproduction:{made.pk}"
        sending.send(
            to=reader.email, template="reproduction_reported", context=context, key=key, language=reader.language
        )


def _context(made: Reproduction, reader: User) -> dict[str, Any]:
    score = made.score
    return {
        "name": reader.get_full_name(), "of": score.about, "task": score.task, "lab": score.lab.name,
        "path": made.get_absolute_url(),
    }  # fmt: skip
