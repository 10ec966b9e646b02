"""Enter the families that are described here and hosted elsewhere into the catalogue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.errors import WeighbridgeError
from releases import entries
from releases.evaluations import entry
from releases.logbook import reference


class Command(BaseCommand):
    help = "Enter the families of releases/catalogue with their logbooks and scores. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in entries.names():
            try:
                family = entries.seed(name, by=None)
                if (entries.FOLDER / f"{name}_logbook.yaml").exists():
                    reference.seed(family, name)
                entry.enter(family, by=None)
            except WeighbridgeError as error:
                raise CommandError(error.message) from error
            self.stdout.write(f"{family.full_name}: {len(entries.sizes(family))} sizes")
