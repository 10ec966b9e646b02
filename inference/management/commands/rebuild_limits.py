"""`manage.py rebuild_limits`: restore the quota counters and routes of the limits store from PostgreSQL, and say what that forgot."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from inference import forgotten, rebuild
from portal.counters import reachable
from portal.errors import WeighbridgeError


class Command(BaseCommand):
    help = "Restore quota counters and routes from the ledger, the unposted stream and the leases."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with reachable() as store:
                count = rebuild.rebuild(store, timezone.now())
                behind = forgotten.catch_up(store)
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} counters restored")
        if behind:
            self.stdout.write(
                "The database is an earlier copy: rights of these changed after it was made. What was taken from them since, "
                "or stopped, is given again; look at each, and take it again. This is said once."
            )
        for one in behind:
            self.stdout.write(f"  {one}")
