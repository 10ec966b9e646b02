"""Read the store again and hold each object against its digest."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from releases import actions, lookup
from releases.models import Blob, Model


class Command(BaseCommand):
    help = "Read objects of the store again, the longest unread first. Interrupted and run again, it goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", metavar="NAMESPACE/NAME", help="only its objects, all of them")
        parser.add_argument("--all", action="store_true", help="every object (default: as many bytes as in one night)")

    def handle(self, *args: Any, **options: Any) -> None:
        blobs = actions.to_scrub(of=self._of(options["model"]), damaged=True)
        bounded = not options["all"] and not options["model"]
        read, bad = actions.scrub(blobs=blobs, most_bytes=settings.SCRUB_BYTES if bounded else 0, report=self._report)
        self.stdout.write(f"{read} objects read, {bad} bad")
        if bad:
            raise CommandError("Put good copies in their places (docs/proofs.md, Repair) and scrub again.")

    def _of(self, name: str | None) -> Model | None:
        if not name:
            return None
        namespace, _, rest = name.partition("/")
        model = lookup.by_any_name(namespace, rest)
        if model is None:
            raise CommandError(f"There is no model {name}.")
        return model

    def _report(self, blob: Blob, finding: actions.Finding | None) -> None:
        if finding:
            self.stderr.write(f"{blob.sha256} {finding.fault} {' '.join(finding.tensors)}".rstrip())
