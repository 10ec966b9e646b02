"""`manage.py verify_audit`: read the whole audit trail and say whether anything was edited."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.audit import roots, trail


class Command(BaseCommand):
    help = "Verify every digest and link of the audit trail, and every signed root."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--former-key", action="append", default=[], metavar="HEX", help="a public key that signed roots before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sealed, unsealed, findings = trail.verify()
        signed, faults = roots.verify(former_keys=options["former_key"])
        for finding in findings:
            self.stderr.write(f"entry {finding.entry_id}: {finding.problem}")
        for fault in faults:
            self.stderr.write(fault)
        if findings or faults:
            first = f" The first bad entry is {findings[0].entry_id}." if findings else ""
            raise CommandError(f"The trail was changed in {len(findings) + len(faults)} place(s).{first}")
        position, seal, at = trail.head()
        self.stdout.write(
            f"Verified {sealed} sealed and {unsealed} unsealed entries, {signed} signed roots. "
            f"Head {position} {seal} {at or ''}".rstrip()
        )
