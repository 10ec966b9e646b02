"""`manage.py openapi`: write docs/openapi.yaml; with `--check`, say whether it is what the code describes."""

from __future__ import annotations

import difflib
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.validation import validate_schema

from portal.api import description


class Command(BaseCommand):
    help = "Write the description of the API, or check the one that is there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; fail when it is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        validate_schema(description.document())  # type: ignore[no-untyped-call]
        made, file = description.as_yaml(), description.FILE
        if not options["check"]:
            file.write_bytes(made)
            return
        there = file.read_bytes() if file.exists() else b""
        if there != made:
            old, new = there.decode().splitlines(), made.decode().splitlines()
            shown = "\n".join(list(difflib.unified_diff(old, new, "docs/openapi.yaml", "the code", lineterm=""))[:60])
            raise CommandError(f"{shown}\n\ndocs/openapi.yaml is out of date. Run: python manage.py openapi")
