"""Sums by day, drawn from the ledger of downloads, and questions to them.

The sums of a day are drawn whole from its rows and replace what was there: nothing is added to a sum, so drawing twice
changes nothing, and what the ledger holds is what the sums say. The ledger is append-only, so that days behind the last
two cannot change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from portal.people.models import User
from releases.download_models import DailyDownload, DailyFile
from releases.models import Model

MONTH: Final = timedelta(days=30)
_LOCK: Final = 0x57425459
_CLIENT: Final = r"""
  CASE
    WHEN client ~ 'hf_hub/[0-9]' THEN 'huggingface_hub ' || substring(client FROM 'hf_hub/([0-9]{1,4}(?:\.[0-9]{1,4})?)')
    WHEN client ~ '^(curl|aria2|Wget|weighbridge|git-lfs|git)/' THEN lower(split_part(client, '/', 1))
    WHEN client LIKE 'Mozilla/%%' THEN 'browser'
    WHEN client = '' THEN ''
    ELSE 'other'
  END"""
_DRAW: Final = f"""
WITH kept AS (
  SELECT (at AT TIME ZONE 'UTC')::date AS day, lab, model, commit, user_id, path,
         {_CLIENT} AS program, releases_asked(wanted, size) AS given
  FROM releases_download WHERE at >= %s
), people AS (
  INSERT INTO releases_dailydownload AS old (day, lab, model, commit, user_id, client, links, bytes)
  SELECT day, min(lab), model, commit, user_id, program, count(*), sum(given) FROM kept GROUP BY 1, 3, 4, 5, 6
  ON CONFLICT (day, model, commit, user_id, client) DO UPDATE SET links = excluded.links, bytes = excluded.bytes
  WHERE (old.links, old.bytes) <> (excluded.links, excluded.bytes)
  RETURNING 1
), files AS (
  INSERT INTO releases_dailyfile AS old (day, model, commit, path, links, bytes)
  SELECT day, model, commit, path, count(*), sum(given) FROM kept GROUP BY 1, 2, 3, 4
  ON CONFLICT (model, day, commit, path) DO UPDATE SET links = excluded.links, bytes = excluded.bytes
  WHERE (old.links, old.bytes) <> (excluded.links, excluded.bytes)
  RETURNING 1
)
SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM files)
"""  # noqa: S608 only our own words


@transaction.atomic
def draw() -> int:
    """Draw the sums of yesterday and today, and of every day since they were last drawn; how many changed.

    Rows are written a moment after the second that they name, which is why yesterday is drawn again. One at a time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        last = DailyDownload.objects.aggregate(last=Max("day"))["last"]
        since = last - timedelta(days=1) if last else date(1970, 1, 1)
        cursor.execute(_DRAW, [datetime(since.year, since.month, since.day, tzinfo=UTC)])
        return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sums: of one model under all its names, of one revision (empty: all), of the last `days` days."""

    names: tuple[str, ...]
    commit: str
    since: date

    @property
    def _which(self) -> Q:
        of_revision = Q(commit=self.commit) if self.commit else Q()
        return Q(model__in=self.names, day__gte=self.since) & of_revision

    @property
    def rows(self) -> QuerySet[DailyDownload]:
        """By person and client."""
        return DailyDownload.objects.filter(self._which)

    @property
    def files(self) -> QuerySet[DailyFile]:
        """By file."""
        return DailyFile.objects.filter(self._which)

    def totals(self) -> dict[str, int]:
        """Links, bytes and people of the whole period."""
        found = self.rows.aggregate(
            links=Sum("links"), bytes=Sum("bytes"), people=Count("user_id", distinct=True, filter=~Q(user_id=""))
        )
        return {name: int(n or 0) for name, n in found.items()}

    def by(self, what: str) -> QuerySet[Any, Any]:
        """Sums by day, person, file, client or revision, each as `key`, links, bytes: the newest or the most first."""
        table = self.files if what == "file" else self.rows
        key = {"day": "day", "person": "user_id", "file": "path", "client": "client", "revision": "commit"}[what]
        summed = table.order_by().values(key=F(key)).annotate(n=Sum("links"), size=Sum("bytes"))
        return summed.order_by("-key") if what == "day" else summed.order_by("-size", "key")


WAYS: Final = ("day", "person", "file", "client", "revision")
"""By what the sums can be asked."""


def asked(model: Model, *, days: int, today: date, commit: str = "") -> Asked:
    """The sums of a model, from `days` days ago to today. Two queries at most: a model may have had other names."""
    former = [f"{old.lab.slug}/{old.name}" for old in model.former_names.select_related("lab")]
    return Asked((model.full_name, *former), commit, today - timedelta(days=days - 1))


def names_of(user_ids: list[str]) -> dict[str, str]:
    """How people of the ledger are called now; whoever was erased is a pseudonym, whoever is gone is absent."""
    return {str(user.pk): user.get_full_name() for user in User.objects.filter(pk__in=[i for i in user_ids if i])}


def lines(found: Asked, what: str) -> Iterator[tuple[str, int, int]]:
    """(key, links, bytes) of each sum, for a file."""
    for row in found.by(what).iterator(chunk_size=2_000):
        yield str(row["key"]), int(row["n"]), int(row["size"])
