"""Tell the bucket of the S3 store who may do what in it, which pages may send to it, and what it forgets by itself."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from releases.storage import bucket, service


class Command(BaseCommand):
    help = (
        "Make the S3 bucket where there is none, and set its policy, CORS, lifecycle and public access block (infra/s3). "
        "Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, does in (
            ("mover", "reads, writes and deletes"),
            ("writer", "signs uploads"),
            ("reader", "signs downloads"),
        ):
            parser.add_argument(f"--{name}", default="", help=f"principal of the identity that {does}, as an ARN")
        parser.add_argument(
            "--ignore-acls-only", action="store_true", help="for Ceph 16, whose access block would keep out all three"
        )
        parser.add_argument("--dry-run", action="store_true", help="print the documents, and set nothing")

    def handle(
        self, *, mover: str, writer: str, reader: str, ignore_acls_only: bool, dry_run: bool, **_options: Any
    ) -> None:
        if any((mover, writer, reader)) and not all((mover, writer, reader)):
            raise CommandError("Name all three: --mover, --writer and --reader; or none, and no policy is set.")
        identities = bucket.Identities(mover, writer, reader) if mover else None
        steps = bucket.steps(
            bucket=settings.S3_BUCKET, origin=settings.BASE_URL, identities=identities, ignore_only=ignore_acls_only
        )
        if dry_run:
            for step in steps:
                self.stdout.write(f"# {step.name}\n{json.dumps(step.document, indent=2)}")
            return
        self._tell(steps)

    def _tell(self, steps: list[bucket.Step]) -> None:
        if settings.STORE != "s3":
            raise CommandError("This portal has no bucket: STORE is not s3.")
        owner = service.connect(
            settings.S3_OWNER_ACCESS_KEY or settings.S3_ACCESS_KEY, settings.S3_OWNER_SECRET_KEY or settings.S3_SECRET_KEY,
            endpoint=settings.S3_ENDPOINT, region=settings.S3_REGION, addressing=settings.S3_ADDRESSING_STYLE,
        )  # fmt: skip
        refused = []
        for name, fault in bucket.prepare(owner, settings.S3_BUCKET, settings.S3_REGION, steps):
            self.stdout.write(f"{name}: {fault or 'set'}")
            refused += [name] if fault else []
        if refused:
            raise CommandError(
                f"The service did not take: {', '.join(refused)}. docs/running.md says what is weaker then."
            )
