"""A letter as it would be read, with invented values: on the managers' pages, and in a mail to themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils.translation import get_language

from portal.access import reasons
from portal.mail import sending
from portal.mail.registry import Letter
from portal.people.models import Lab


def reasons_of(letter: Letter) -> dict[str, str]:
    """The typed reasons that this letter may carry, with what each is called; empty for most letters."""
    return {name: str(label) for name, label in reasons.LABELS.items() if reasons.letter_of(name) == letter.name}


def sample(letter: Letter, lab: Lab, reason: str, language: str) -> dict[str, Any]:
    """The letter's invented values, in the lab's name, with its own words for a reason and what a reader of the language calls it."""
    told = dict(letter.sample)
    if "lab" in told:
        told["lab"] = lab.name
    if reason in reasons_of(letter):
        told |= reasons.for_mail(lab, reason, language)
    return told


def preview(letter: Letter, lab: Lab, reason: str = "", **changes: str) -> EmailMultiAlternatives:
    """The mail itself, in the language that is active; `changes` replace invented values."""
    told = (
        sample(letter, lab, reason, get_language() or settings.LANGUAGE_CODE)
        | changes
        | {"base_url": settings.BASE_URL}
    )
    if letter.choosable:
        told["stop_url"] = f"{settings.BASE_URL}{reverse('mail:stop', args=['example'])}"
    return sending.render(letter.name, told)
