"""How a batch's worker asks the gateway for the batch's owner without knowing any secret of theirs (ADR 18).

It makes a secret of its own and leaves the digest beside the batch. Introspection finds the batch by the digest, and
answers what the batch's own token may do now. The secret lives in the worker's memory for a quarter of an hour at most,
opens the gateway alone, and there only rows of its one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from inference import principals
from inference.batch_models import StandIn
from portal.tokens import secrets

KIND: Final = "bat"
LIFE: Final = timedelta(minutes=15)
AFRESH: Final = timedelta(minutes=5)
"""After this a new one is made: what was sent under the old one may still run for as long as an engine may think."""


@dataclass(frozen=True, slots=True)
class Held:
    """A stand-in as its worker holds it."""

    batch: UUID
    secret: str
    made_at: datetime

    @classmethod
    def of(cls, batch: UUID) -> Self:
        """A new one; what is past its time goes."""
        now, secret = timezone.now(), secrets.make(KIND)
        with transaction.atomic():
            StandIn.objects.filter(batch=batch, expires_at__lte=now).delete()
            StandIn.objects.create(batch_id=batch, digest=secrets.digest(secret), expires_at=now + LIFE)
        return cls(batch, secret, now)

    def fresh(self) -> Self:
        """This one while it is young, else a new one."""
        return self if timezone.now() - self.made_at < AFRESH else self.of(self.batch)


def end(batch: UUID) -> None:
    """Nobody stands in for this batch any more: at the gateway too, whatever is cached there. Raises Unavailable."""
    rows = StandIn.objects.filter(batch=batch)
    for digest in list(rows.values_list("digest", flat=True)):
        principals.bury(digest)
    rows.delete()
