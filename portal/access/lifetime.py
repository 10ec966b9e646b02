"""The life of a grant after it is given, and of a renewal, as two tables: (state, verb) → (next state, who may do it).

Guard, buttons and tests read these tables; the database repeats them in constraints and a trigger. A grant's state is
read from its facts and the clock (`Grant.state`), a renewal's is stored. Plain Python. Also here: which of several
notices before a deadline is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a grant stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    REVOKED = "revoked"
    CLOSED_OUT = "closed_out"


class GrantVerb(StrEnum):
    """What can be done to a grant."""

    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    RENEW = "renew"
    EXTEND = "extend"
    SIGN_AGAIN = "sign_again"
    CLOSE_OUT = "close_out"


class Party(StrEnum):
    """Who acts on a grant. Nobody is two of them: a holder who works for the lab is only the holder of the own grant."""

    HOLDER = "holder"
    MEMBER = "member"
    """The holder of a grant that rests on a lead's, who renews for both."""
    MANAGER = "manager"
    REVIEWER = "reviewer"
    CLOCK = "clock"
    """The schedule, and rules that the gate has set: nobody's decision, and so never a refusal."""


HOLDER: Final = frozenset({Party.HOLDER})
HOLDERS: Final = HOLDER | {Party.MEMBER}
MANAGER: Final = frozenset({Party.MANAGER})
REVIEWER: Final = frozenset({Party.REVIEWER})
CLOCK: Final = frozenset({Party.CLOCK})

GRANTS: Final[dict[tuple[State, GrantVerb], tuple[State, frozenset[Party]]]] = {
    (State.ACTIVE, GrantVerb.SUSPEND): (State.SUSPENDED, MANAGER),
    (State.ACTIVE, GrantVerb.REVOKE): (State.REVOKED, MANAGER),
    (State.ACTIVE, GrantVerb.RENEW): (State.ACTIVE, HOLDER),
    (State.ACTIVE, GrantVerb.EXTEND): (State.ACTIVE, REVIEWER | CLOCK),
    (State.ACTIVE, GrantVerb.SIGN_AGAIN): (State.ACTIVE, HOLDERS),
    (State.ACTIVE, GrantVerb.CLOSE_OUT): (State.CLOSED_OUT, HOLDERS),
    (State.SUSPENDED, GrantVerb.RESUME): (State.ACTIVE, MANAGER),
    (State.SUSPENDED, GrantVerb.REVOKE): (State.REVOKED, MANAGER),
    (State.SUSPENDED, GrantVerb.EXTEND): (State.SUSPENDED, REVIEWER),
    (State.SUSPENDED, GrantVerb.SIGN_AGAIN): (State.SUSPENDED, HOLDERS),
    (State.SUSPENDED, GrantVerb.CLOSE_OUT): (State.CLOSED_OUT, HOLDERS),
    (State.ENDED, GrantVerb.EXTEND): (State.ACTIVE, REVIEWER),
    (State.ENDED, GrantVerb.CLOSE_OUT): (State.CLOSED_OUT, HOLDERS),
    (State.REVOKED, GrantVerb.CLOSE_OUT): (State.CLOSED_OUT, HOLDERS),
}

FINAL: Final = frozenset({State.REVOKED, State.CLOSED_OUT})
STANDING: Final = frozenset({State.ACTIVE, State.SUSPENDED})
"""Not over: it opens something, or may again."""
"""Never active again, whatever happens: the trigger `access_grant_rows` says so too."""


class RenewalStatus(StrEnum):
    """Where a renewal stands."""

    SUBMITTED = "submitted"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class RenewalVerb(StrEnum):
    """What can be done to a renewal that was sent."""

    APPROVE = "approve"
    PASS = "pass"  # noqa: S105 it passes without a review
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"


RENEWALS: Final[dict[tuple[RenewalStatus, RenewalVerb], tuple[RenewalStatus, frozenset[Party]]]] = {
    (RenewalStatus.SUBMITTED, RenewalVerb.APPROVE): (RenewalStatus.GRANTED, REVIEWER),
    (RenewalStatus.SUBMITTED, RenewalVerb.PASS): (RenewalStatus.GRANTED, CLOCK),
    (RenewalStatus.SUBMITTED, RenewalVerb.DECLINE): (RenewalStatus.DECLINED, REVIEWER),
    (RenewalStatus.SUBMITTED, RenewalVerb.WITHDRAW): (RenewalStatus.WITHDRAWN, HOLDER),
    (RenewalStatus.SUBMITTED, RenewalVerb.LAPSE): (RenewalStatus.LAPSED, CLOCK),
}

RENEWAL_OPENS: Final = timedelta(days=60)
"""How long before its end a grant can be renewed."""
EXPIRY_DAYS: Final = (60, 30, 7, 0)
"""Days before the end of a grant at which its holder is told."""
DELETION_DAYS: Final = (7, 1, 0)
"""Days before a deletion is due at which the holder is reminded; 0 says that it is overdue."""


def next_state(state: str, verb: GrantVerb, parties: Iterable[Party]) -> State | None:
    """The state that `verb` leads a grant to, for somebody who is any of `parties`; None when the table has no such row."""
    row = GRANTS.get((State(state), verb))
    return None if row is None or row[1].isdisjoint(parties) else row[0]


def grant_verbs(state: str, parties: Iterable[Party]) -> tuple[GrantVerb, ...]:
    """What somebody who is any of `parties` may do to a grant now, in the order of the table."""
    known = frozenset(parties)
    return tuple(verb for (at, verb), (_, may) in GRANTS.items() if at == state and known & may)


def next_renewal(status: str, verb: RenewalVerb, parties: Iterable[Party]) -> RenewalStatus | None:
    """The same question about a renewal."""
    row = RENEWALS.get((RenewalStatus(status), verb))
    return None if row is None or row[1].isdisjoint(parties) else row[0]


def renewal_opens(ends_at: datetime) -> datetime:
    """From when on a grant can be renewed."""
    return ends_at - RENEWAL_OPENS


def due(days: tuple[int, ...], *, deadline: datetime, since: datetime, now: datetime) -> int | None:
    """The one notice that is due before `deadline`: the latest whose time has come, so that a pause makes no storm.

    `days` count back from the deadline, largest first. A notice whose time lay before `since` (when the deadline was
    set) is not due: nobody is told of a week's warning in the minute in which a week was given. 0 always is.
    """
    come = [n for n in days if deadline - timedelta(days=n) <= now and (n == 0 or deadline - timedelta(days=n) > since)]
    return come[-1] if come else None
