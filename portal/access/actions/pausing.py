"""What a lab's closing means for those who hold something of it, wait for it or work there: nobody is left in silence."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.access import institutional
from portal.access.application_models import Application
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.models import Grant
from portal.access.pausing_models import Turn
from portal.access.workflow import WAITS_FOR_APPLICANT
from portal.mail import sending
from portal.outbox import delivery
from portal.people.models import Lab, Membership, User

TELL: Final = "lab.tell"
"""Topic of the outbox: whoever is concerned is to be written to."""
AT_A_TIME: Final = 500
"""Letters of one transaction: what a process that dies leaves undone."""


def turned(lab: Lab) -> None:
    """Have everybody concerned be written to, after the transaction that closed the lab or opened it again: there may be thousands.

    What waits for its applicant waits anew once the lab is open: no day on which nobody could act makes it lapse.
    """
    if lab.is_active:
        waiting = Application.objects.filter(gate__lab=lab, status__in=WAITS_FOR_APPLICANT)
        waiting.update(updated_at=timezone.now())
    Turn.objects.create(lab=lab, closed=not lab.is_active)
    delivery.enqueue(TELL, key=f"lab:{lab.pk}", lab=str(lab.pk))


def tell_concerned(*, lab: Lab) -> int:
    """Write to everybody of every turn of the lab that is still to be told, the first turn first; to how many. Twice is once,
    and whoever goes on after a call that was cut short writes to those who are left.
    """
    told = 0
    while (some := _tell_some(lab)) is not None:
        told += some
    return told


@transaction.atomic
def _tell_some(lab: Lab) -> int | None:
    """The next letters, and how many; None where nothing is left. Of two at once, one waits for the other's."""
    waiting = Turn.objects.select_for_update(of=("self",)).filter(lab=lab, told_at=None).order_by("pk")
    turn = waiting.select_related("lab").first()
    if turn is None:
        return None
    people = concerned(turn.lab)
    if turn.told_to:
        people = people.filter(pk__gt=turn.told_to)
    some = list(people[:AT_A_TIME])
    for person in some:
        _write(turn, person)
    done = len(some) < AT_A_TIME
    turn.told_to, turn.told_at = (None, timezone.now()) if done else (some[-1].pk, None)
    turn.save(update_fields=["told_to", "told_at"])
    return len(some)


def concerned(lab: Lab) -> QuerySet[User]:
    """Whoever holds something of the lab, waits for it or has a role there, in the order of their keys."""
    holders = Grant.objects.standing().filter(gate__lab=lab).values("user")
    applicants = Application.objects.open().filter(gate__lab=lab).values("applicant")
    agreed = InstitutionalAgreement.objects.filter(gate__lab=lab, status__in=institutional.OPEN).values("official")
    staff = Membership.objects.filter(lab=lab, ends_at=None).values("user")
    whose = Q(pk__in=holders) | Q(pk__in=applicants) | Q(pk__in=agreed) | Q(pk__in=staff)
    return User.objects.filter(whose, is_active=True).order_by("pk")


def _write(turn: Turn, person: User) -> None:
    letter = "lab_closed" if turn.closed else "lab_reopened"
    context = {"name": person.get_full_name(), "lab": turn.lab.name, "path": reverse("people:me")}
    sending.send(to=person.email, template=letter, context=context, key=f"lab:{turn.lab_id}", language=person.language)
