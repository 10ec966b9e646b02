"""Days that stand out: a lab's managers hear, once, of a holder who was given far more than on their other days.

It is a notice and no more: nothing is refused, nobody is judged. Whoever reads it may ask the holder, or set a cap.
"""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.urls import reverse

from portal.audit import trail
from portal.audit.events import Event
from portal.mail import sending
from portal.people.models import MANAGERS, Lab, Membership
from portal.sweeps import sweep
from releases import tally
from releases.download_models import DailyDownload, Surge

LOOK_BACK: Final = timedelta(days=90)
GB: Final = 1_000_000_000


def tell_surges(day: date) -> int:
    """Tell each lab's managers of the people whose `day` stood out; how many people those were. Safe to repeat."""
    labs = {lab.slug: lab for lab in Lab.objects.all()}

    def tell(one: tuple[tuple[str, str], int]) -> bool:
        (slug, user_id), given = one
        usual = _usual(slug, user_id, day)
        return given > settings.SURGE_FACTOR * usual and slug in labs and _tell(labs[slug], user_id, day, given, usual)

    return sweep(_largest(day).items(), tell)


def _largest(day: date) -> dict[tuple[str, str], int]:
    rows = DailyDownload.objects.filter(day=day).exclude(user_id="").order_by()
    sums = rows.values_list("lab", "user_id").annotate(n=Sum("bytes")).filter(n__gt=settings.SURGE_LEAST_GB * GB)
    return {(lab, user): int(n) for lab, user, n in sums}


def _usual(lab: str, user_id: str, day: date) -> int:
    """The median of the days before on which they were given anything; 0 where there are none."""
    rows = DailyDownload.objects.filter(lab=lab, user_id=user_id, day__lt=day, day__gte=day - LOOK_BACK)
    days = rows.order_by().values("day").annotate(n=Sum("bytes")).values_list("n", flat=True)
    return int(median(days)) if days else 0


@transaction.atomic
def _tell(lab: Lab, user_id: str, day: date, given: int, usual: int) -> bool:
    surge, new = Surge.objects.get_or_create(
        lab=lab, user_id=user_id, day=day, defaults={"bytes": given, "usual": usual}
    )
    if not new:
        return False
    name = tally.names_of([user_id]).get(user_id, user_id)
    managers = Membership.objects.active().filter(lab=lab, role__in=MANAGERS).select_related("user")
    for manager in {row.user.pk: row.user for row in managers}.values():
        sending.send(
            to=manager.email, template="surge", key=f"surge:{surge.pk}", language=manager.language,
            context={
                "name": manager.get_full_name(), "lab": lab.name, "holder": name, "day": str(day),
                "given_bytes": given, "usual_bytes": usual, "path": reverse("releases:downloads"),
            },
        )  # fmt: skip
    trail.record(Event.SURGE_TOLD, by=None, target=surge, lab=lab, day=day, bytes=given, usual=usual)
    return True
