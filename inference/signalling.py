"""The writers of misuse signals."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Final

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inference import signal_states, watching
from inference.figures import is_id
from inference.misuse import RULES
from inference.signal_models import Signal
from inference.signal_states import MANAGERS, Verb
from inference.watching import Found
from portal import texts
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.mail import sending
from portal.people.models import Lab, Membership, User
from portal.projects.models import Project
from portal.sweeps import sweep

logger = logging.getLogger(__name__)

NOTE: Final = 1000
"""Longest note, in characters."""


@transaction.atomic
def raise_for(day: date) -> int:
    """Ask every rule about a day that is over; returns how many signals are new. Twice on one day raises nothing twice."""
    labs = {lab.slug: lab for lab in Lab.objects.all()}
    new: Counter[Lab] = Counter()
    sweep(RULES, lambda name: _raise(name, day, labs, new))
    for lab, n in new.items():
        _tell(lab, day, n)
    return new.total()


@transaction.atomic
def _raise(name: str, day: date, labs: Mapping[str, Lab], new: Counter[Lab]) -> int:
    """Keep what one rule finds, and add to `new` how many that were of each lab, all of it or nothing."""
    made: Counter[Lab] = Counter()
    for found in _asked(day, name):
        lab = labs.get(found.model.partition("/")[0])
        if lab is None:
            continue
        signal, is_new = Signal.objects.get_or_create(
            rule=name, project_id=found.project_id, model=found.model, day=day,
            defaults={"lab": lab, "figures": found.figures},
        )  # fmt: skip
        if is_new:
            made[lab] += 1
            trail.record(Event.SIGNAL_RAISED, by=None, target=signal, lab=lab, rule=name, day=day)
    new.update(made)
    return made.total()


def _asked(day: date, rule: str) -> list[Found]:
    try:
        found = list(watching.found_on(day, rule))
    except Unavailable as error:
        logger.warning("The rule %s was not asked about %s: %s", rule, day, error.message)
        return []
    return [one for one in found if not _is_erased(one.project_id)]


def _is_erased(project_id: str) -> bool:
    """Whether its lead was: their signals were deleted, and the ledger's rows that stay raise none again."""
    rows = Project.objects.filter(owner__erasure_requests__done=True)
    return is_id(project_id) and rows.filter(pk=project_id).exists()


def _tell(lab: Lab, day: date, n: int) -> None:
    """One mail a night to each manager. Whose queries they were stands on the page alone."""
    held = Membership.objects.active().filter(lab=lab, role__in=MANAGERS).select_related("user")
    for reader in {row.user_id: row.user for row in held}.values():
        context = {
            "name": reader.get_full_name(), "lab": lab.name, "n": n, "day": day.isoformat(),
            "path": reverse("inference:signals"),
        }  # fmt: skip
        key = f"signals:{lab.pk}:{day}"
        sending.send(to=reader.email, template="signals_raised", context=context, key=key, language=reader.language)


@transaction.atomic
def answer(*, by: User, signal: Signal, verb: Verb, note: str = "") -> Signal:
    """A manager looked at it, dismisses it (which needs a note), or opens it again. Nobody's access changes.

    Raises NotAllowed for other roles, Conflict where the state does not allow it, Invalid for the note.
    """
    locked = Signal.objects.select_for_update(of=("self",)).select_related("lab").get(pk=signal.pk)
    if by.roles_in(locked.lab).isdisjoint(MANAGERS):
        raise NotAllowed(_("Only managers of the lab answer signals."))
    follows = signal_states.after(locked.state, verb)
    if follows is None:
        raise Conflict(_("Somebody has answered this signal already. Load the page again."), code="already_answered")
    text = texts.within(NOTE, {"note": note})["note"]
    if verb == Verb.DISMISS and not text:
        problem = _("Say why it is nothing, for whoever looks at the next one.")
        raise Invalid(problem, fields={"note": [problem]})
    locked.state, locked.decided_by, locked.decided_at = follows, by, timezone.now()
    locked.note = text or locked.note
    locked.save(update_fields=["state", "decided_by", "decided_at", "note"])
    trail.record(Event.SIGNAL_ANSWERED, by=by, target=locked, lab=locked.lab, verb=verb.value)
    return locked
