"""Typed reasons and their words for the applicant: the default's from a template, or the lab's own."""

from __future__ import annotations

from typing import Final

from django.template.loader import render_to_string
from django.utils.translation import override

from portal.access.application_models import Change, Decline
from portal.access.desk_models import ReasonText
from portal.people.models import Lab

MAILS: Final = {"declined": "application_declined", "changes": "changes_requested"}
"""The mail that carries the words of a kind of reason."""

LABELS: Final = {
    **{f"declined_{code}": label for code, label in Decline.choices},
    **{f"changes_{code}": label for code, label in Change.choices},
}
"""Every reason with what it is called."""


def letter_of(reason: str) -> str:
    """The letter that carries a reason."""
    return MAILS[reason.partition("_")[0]]


def default(reason: str) -> str:
    """The words that stand where a lab has none of its own, in the present language."""
    return render_to_string(f"emails/reasons/{reason}.txt").strip()


def for_mail(lab: Lab, reason: str, language: str) -> dict[str, str]:
    """What a mail must know to say the reason: its name, what its reader calls it, and the lab's own words if any."""
    own = ReasonText.objects.filter(lab=lab, reason=reason).first()
    with override(language):
        called = str(LABELS[reason])
    return {"reason_name": reason, "reason": called, "words": own.text if own else ""}
