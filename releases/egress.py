"""The daily cap: how many bytes of links one grant may be given in any 24 hours, counted from the ledger itself.

It is a limit, like those on requests, and no condition of the access rule: who is over it has the right, and waits. What
counts is the range that was asked for, so a file that broke off and goes on is charged for the rest alone. A link that
was charged for a range opens that range and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _

from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.errors import TooMany
from portal.prepared import Prepared
from portal.written import in_bytes
from releases.download_models import Asked, DailyCap
from releases.models import Download

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Use:
    """What a grant has used of its cap. `own`: the cap is the grant's, and not its gate's; `bytes` None: no cap."""

    bytes: int | None
    own: bool
    taken: int

    @property
    def left(self) -> int | None:
        """Bytes; None where nothing limits."""
        return None if self.bytes is None else max(0, self.bytes - self.taken)


def cap_of(grant: str, gate: int | None) -> DailyCap | None:
    """The cap of a grant, its own before its gate's; None where there is none. One query."""
    found = _caps.all(grant=grant, gate=gate)
    return found[-1] if found else None


@Prepared
def _caps(grant: str, gate: int | None) -> QuerySet[DailyCap]:
    return DailyCap.objects.filter(Q(grant=grant) | Q(gate=gate)).order_by("gate_id")  # PostgreSQL puts null last


def caps_at(gate: Any) -> QuerySet[DailyCap]:  # noqa: ANN401 a key, or what stands for it
    """Every cap at this gate: its own, and those of single grants behind it."""
    return DailyCap.objects.filter(Q(gate=gate) | Q(grant__gate=gate))


def use_of(grant: Grant, now: datetime) -> Use:
    """What the grant was given in the last 24 hours, and its cap."""
    cap = cap_of(str(grant.pk), grant.gate_id)
    return Use(cap.bytes if cap else None, bool(cap and cap.grant_id), taken(str(grant.pk), now))


def cap_of_gate(gate: Gate) -> int | None:
    """Bytes, or None where the gate sets no cap."""
    return DailyCap.objects.filter(gate=gate).values_list("bytes", flat=True).first()


def taken(grant: str, now: datetime) -> int:
    """Bytes of the links that a grant was given in the 24 hours before `now`."""
    return int(_recent(grant, now).aggregate(n=Sum(Asked()))["n"] or 0)


def require_room(row: Download, cap: int) -> None:
    """Hold the grant for the rest of the transaction, and raise TooMany if `row` would go over its cap, with when it fits.

    Two that ask at once wait for one another here, and the second counts the first one's row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"daily cap {row.grant_id}"])
        cursor.execute("SELECT releases_asked(%s, %s)", [row.wanted, row.size])
        asked = int(cursor.fetchone()[0])
    used = taken(row.grant_id, row.at)
    if used + asked > cap:
        raise _full(row, cap, used, asked)


def _full(row: Download, cap: int, used: int, asked: int) -> TooMany:
    said = {"cap": _words(cap), "used": _words(used), "asked": _words(asked)}
    if asked > cap:
        text = _("This asks for %(asked)s, and the grant’s daily cap is %(cap)s. Ask the lab to raise it.")
        return TooMany(text % said, retry_after_s=int(DAY.total_seconds()), code="daily_cap")
    fits = _fits_at(row, used + asked - cap)
    text = _(
        "The grant’s daily cap of %(cap)s is reached: %(used)s in the last 24 hours, and this asks for %(asked)s. "
        "It fits again at %(when)s UTC."
    )
    wait = int((fits - row.at).total_seconds()) + 1
    return TooMany(text % (said | {"when": f"{fits:%Y-%m-%d %H:%M}"}), retry_after_s=wait, code="daily_cap")


def _words(size: int) -> str:
    """With plain spaces: a header says it too."""
    return in_bytes(size).replace("\xa0", " ")


def _fits_at(row: Download, over: int) -> datetime:
    """When so many bytes will have left the last 24 hours."""
    for kept in _recent(row.grant_id, row.at).order_by("at").annotate(given=Asked()).only("at"):
        over -= kept.given
        if over <= 0:
            return kept.at + DAY
    return row.at + DAY


def _recent(grant: str, now: datetime) -> QuerySet[Download]:
    return Download.objects.filter(grant_id=grant, at__gt=now - DAY)
