"""What a release manager does to the words of reasons, and to see mail before others do."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from portal import texts
from portal.access import previews
from portal.access.desk_models import ReasonText
from portal.access.reasons import LABELS
from portal.agreements.actions import require_manager
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import NotFound
from portal.mail import sending
from portal.mail.registry import Letter
from portal.people.models import Lab, User

LIMIT: Final = 1_000


@transaction.atomic
def word_reason(*, by: User, lab: Lab, reason: str, text: str) -> str:
    """Give a reason the lab's own words; none bring the default back. Returns the own words that stand now.

    Raises NotFound to other labs or for an unknown reason, NotAllowed to whoever does not manage it, Invalid about `text`.
    """
    if reason not in LABELS or not by.roles_in(lab):
        raise NotFound(_("There is no such reason."))
    require_manager(by, lab)
    words = texts.within(LIMIT, {"text": text})["text"]
    Lab.objects.select_for_update().get(pk=lab.pk)
    if words:
        ReasonText.objects.update_or_create(lab=lab, reason=reason, defaults={"text": words})
    else:
        ReasonText.objects.filter(lab=lab, reason=reason).delete()
    trail.record(Event.REASON_WORDED, by=by, target=lab, lab=lab, reason=reason, own=bool(words))
    return words


@transaction.atomic
def try_letter(*, by: User, lab: Lab, letter: Letter, reason: str = "") -> None:
    """Send a letter with invented values, in the lab's name, to oneself. Raises NotAllowed for whoever does not manage it."""
    require_manager(by, lab)
    told = previews.sample(letter, lab, reason, by.language)
    key = f"trial:{by.pk}"
    sending.send(to=by.email, template=letter.name, context=told, key=key, language=by.language, trial=True)
    trail.record(Event.LETTER_TRIED, by=by, target=lab, lab=lab, letter=letter.name)
