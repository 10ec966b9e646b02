"""`manage.py rebuild_limits`: restore the quota counters and routes of the limits store from PostgreSQL."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from inference import rebuild
from portal.counters import reachable
from portal.errors import WeighbridgeError


class Command(BaseCommand):
    help = "Restore quota counters and routes from the ledger, the unposted stream and the leases."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with reachable() as store:
                count = rebuild.rebuild(store, timezone.now())
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} counters restored")
