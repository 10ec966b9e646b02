"""Keep the partitions of both ledgers ahead of the calendar."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from inference import ledger
from releases import partitions


class Command(BaseCommand):
    help = "Make this month's and the next months' partitions of both ledgers. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--ahead", type=int, default=partitions.AHEAD, choices=range(121), metavar="MONTHS", help="at most 120"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        made = ledger.make_partitions(timezone.now().date(), ahead=options["ahead"])
        self.stdout.write(", ".join(made) or "nothing to make")
