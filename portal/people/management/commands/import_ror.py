"""`manage.py import_ror <file>`: bring the register of institutions into the table; safe to repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.errors import WeighbridgeError
from portal.people import ror
from portal.people.institution_actions import import_register

FAULTS_SHOWN: Final = 10


class Command(BaseCommand):
    help = "Import a ROR data dump (schema 2, JSON or zip). Running it again, or after an interruption, is safe."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the dump, as it is published: a .json or the .zip around it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_register(ror.read(options["file"]), by=None)
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"{report.added} added, {report.changed} changed ({report.withdrawn} withdrawn), {report.same} as they were"
        )
        for fault in report.faults[:FAULTS_SHOWN]:
            self.stderr.write(f"left out: {fault}")
        if len(report.faults) > FAULTS_SHOWN:
            self.stderr.write(f"left out: {len(report.faults) - FAULTS_SHOWN} more")
