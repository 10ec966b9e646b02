"""Whether the rules may approve an application by themselves, or a person reads it first, and why. Nothing here decides.

Beyond the green lane, rules pass nobody who is known to the lab for anything but grants, and nobody close to it: who
was refused, or sent another answer before, must not come in by the door that nobody watches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from allauth.account.models import EmailAddress
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.access import confirmations, conflicts, duo, form_spec
from portal.access.application_models import Application
from portal.access.models import Grant
from portal.access.workflow import Status
from portal.people.models import Membership, User

WORDS: Final = {
    "sent_again": _("It was sent again after a person had asked for changes."),
    "no_rule": _("No green rule says why."),
    "declared": _("A restricted use is declared."),
    "duo": _("An answer speaks against the gate’s terms of use."),
    "address_unverified": _("The account’s address has not been verified by link."),
    "sent_before": _("The applicant sent the lab another application before, and it did not end in a grant."),
    "grant_ended_badly": _(
        "A grant of the applicant was suspended or revoked, or its copies were not attested deleted."
    ),
    "unconfirmed": _("Confirmations from outside are missing."),
    "names_members": _("It names members of a team, whom the rules know nothing about."),
    "close_to_lab": _("The applicant works for the lab, or at the place or the mail domain of somebody who does."),
}
"""Why a person reads what is green, in words for the lab's staff."""


def held_back(application: Application) -> list[str]:
    """Codes, as in WORDS, of what keeps the rules from approving a green application; none: they may. Flat."""
    return [code for code, holds in _HELD.items() if holds(application)]


def _declared(application: Application) -> bool:
    return bool(form_spec.declarations(application.gate.form_spec, application.answers))


def _address_unverified(application: Application) -> bool:
    person = application.applicant
    return not EmailAddress.objects.filter(user=person, email__iexact=person.email, verified=True).exists()


def _sent_before(application: Application) -> bool:
    sent = Application.objects.filter(applicant=application.applicant_id, gate__lab=application.gate.lab_id)
    sent = sent.exclude(pk=application.pk).exclude(submitted_at=None)
    return sent.exclude(status=Status.GRANTED).exists()


def _grant_ended_badly(application: Application) -> bool:
    grants = Grant.objects.filter(user=application.applicant_id, gate__lab=application.gate.lab_id)
    bad = Q(revoked_at__isnull=False) | Q(suspended_at__isnull=False)
    return grants.filter(bad).exists() or grants.deletion_overdue().exists()


def _close_to_lab(application: Application) -> bool:
    held = Membership.objects.active().filter(lab=application.gate.lab_id)
    return conflicts.with_any(User.objects.filter(pk__in=held.values("user")), application.applicant)


_HELD: Final[dict[str, Callable[[Application], bool]]] = {
    "sent_again": lambda application: application.rounds != 1,
    "no_rule": lambda application: not application.triage.get("rules"),
    "declared": _declared,
    "duo": lambda application: any(duo.doubts(application.gate.duo, application.answers)),
    "address_unverified": _address_unverified,
    "sent_before": _sent_before,
    "grant_ended_badly": _grant_ended_badly,
    "unconfirmed": lambda application: not confirmations.standing(application).complete,
    "names_members": lambda application: application.members.exists(),
    "close_to_lab": _close_to_lab,
}
