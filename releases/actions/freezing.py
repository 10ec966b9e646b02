"""A logbook is frozen: by its lab's word, or by the publishing of its model."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.people.models import User
from releases.actions.rights import require_staff
from releases.logbook_lifecycle import State, Verb, next_state
from releases.logbook_models import Logbook
from releases.models import Model


@transaction.atomic
def freeze_logbook(*, logbook: Logbook, by: User | None) -> Logbook:
    """Let nothing in it change any more; from now on a mistake is corrected by an erratum. Raises Conflict when it is."""
    locked = Logbook.objects.with_subjects().select_for_update(of=("self",)).get(pk=logbook.pk)
    require_staff(by, locked.lab)
    if next_state(locked.state, Verb.FREEZE) is None:
        raise Conflict(_("This logbook is frozen already. Correct an entry by an erratum."))
    return _freeze(locked, by)


def freeze_with(model: Model) -> None:
    """The model is published, in the caller's transaction: what is in its logbook stays as it is."""
    for book in model.logbooks.with_subjects().select_for_update(of=("self",)).filter(state=State.OPEN.value):
        _freeze(book, None)


def _freeze(locked: Logbook, by: User | None) -> Logbook:
    locked.state, locked.frozen_at, locked.frozen_by = State.FROZEN.value, timezone.now(), by
    locked.save(update_fields=["state", "frozen_at", "frozen_by"])
    trail.record(
        Event.LOGBOOK_FROZEN, by=by, target=locked, lab=locked.lab, subject=locked.subject.full_name,
        entries=locked.entries.count(),
    )  # fmt: skip
    return locked
