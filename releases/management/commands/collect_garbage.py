"""Remove what the store holds for nothing."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from releases.actions import collect_garbage
from releases.actions.collecting import GRACE, LEAST_GRACE


def _days(text: str) -> timedelta:
    """`7d` or `7`: whole days, at least one."""
    found = re.fullmatch(r"([0-9]{1,4})d?", text)
    if found is None or timedelta(days=int(found[1])) < LEAST_GRACE:
        raise ArgumentTypeError("give whole days, at least one: 7d")
    return timedelta(days=int(found[1]))


class Command(BaseCommand):
    help = (
        "Remove objects that no file names and no upload announces, private files that nothing has, and what was left in"
        " staging. Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and remove nothing")
        parser.add_argument("--grace", type=_days, default=GRACE, help="days for which nothing needed it (default: 7d)")

    def handle(self, *, dry_run: bool, grace: timedelta, **_options: Any) -> None:
        found = collect_garbage(grace=grace, dry_run=dry_run)
        said = "Would remove" if dry_run else "Removed"
        self.stdout.write(f"{said} {found.objects:,} objects, {found.bytes:,} bytes.")
        if found.unknown:
            self.stdout.write(
                f"{found.unknown:,} objects had no row in the database. They go when nothing has named them for the grace. "
                "Where the database is an earlier copy, that is what was released since: ingest it again before."
            )
        self.stdout.write(f"{said} {found.private:,} private files, {found.private_bytes:,} bytes.")
        self.stdout.write(f"{said} {found.staged:,} remains of uploads, {found.staged_bytes:,} bytes.")
