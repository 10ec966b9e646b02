"""Questions to the ledger of downloads. Writing it is releases.downloads' alone."""

from __future__ import annotations

from typing import Final

from django.core.cache import caches
from django.db.models import QuerySet
from django.utils import timezone

from portal.access.suppression import LEAST
from portal.people.models import User
from releases import tally
from releases.download_models import Asked
from releases.models import Download, Model

KEPT_S: Final = 300
DAYS: Final = 30


def downloads_of(model: Model) -> int | None:
    """Links that were given out for the model's files in the last 30 days; None where they are too few to be told.

    Up to five minutes older than the daily sums, which are drawn four times an hour.
    """
    key = f"downloads:{model.pk}"
    links = caches["process"].get_or_set(key, lambda: _links(model), KEPT_S) or 0
    return None if 0 < links < LEAST else links


def _links(model: Model) -> int:
    return tally.asked(model, days=DAYS, today=timezone.now().date()).totals()["links"]


def links_of(user: User) -> QuerySet[Download]:
    """Every link that a person was given, the newest first; `given` is its bytes."""
    return Download.objects.filter(user_id=str(user.pk)).annotate(given=Asked()).order_by("-at", "pk")
