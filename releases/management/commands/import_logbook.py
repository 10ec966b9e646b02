"""Import a logbook from a file: a Markdown chronicle, JSON, or JSON lines."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from portal.errors import Invalid, WeighbridgeError
from portal.people.models import User
from releases import chronicles, lookup
from releases.chronicles import stamps
from releases.logbook import actions
from releases.models import Family, Model


class Command(BaseCommand):
    help = "Import a logbook into a model's or a family's. Twice is once; where a line is wrong nothing is imported."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a Markdown chronicle, .json or .jsonl (docs/logbook.md)")
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("--model", metavar="NAMESPACE/NAME")
        subject.add_argument("--family", metavar="LAB/FAMILY")
        parser.add_argument("--name", default="", help="what the source is called (default: the file's name)")
        parser.add_argument("--year", type=int, help="the year of dates without one")
        parser.add_argument("--zone", default="", help="where times without a zone were written: UTC, ET, PT, +01:00")
        parser.add_argument("--as", dest="person", help="e-mail address of the release manager (default: the operator)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._import(options)
        except Invalid as error:
            raise CommandError("\n".join([error.message, *error.fields.get("text", [])])) from error
        except WeighbridgeError as error:
            raise CommandError(error.message) from error

    def _import(self, options: dict[str, Any]) -> None:
        try:
            text = options["file"].read_text(encoding="utf-8")
        except OSError as fault:
            raise CommandError(f"{options['file']} cannot be read: {fault.strerror}.") from fault
        except UnicodeDecodeError as fault:
            raise CommandError(
                f"{options['file']} is not UTF-8 text. Save it as UTF-8, and import it again."
            ) from fault
        if not stamps.known_zone(options["zone"]):
            raise CommandError("--zone is a name like UTC, ET, PT or CET, or an offset like +01:00.")
        if options["year"] is not None and options["year"] not in range(1990, 2101):
            raise CommandError("--year is a year from 1990 to 2100.")
        name, by = options["name"] or options["file"].name, _person(options["person"])
        parsed = chronicles.read(text, name=name, year=options["year"], zone=options["zone"])
        if not parsed.entries and not parsed.problems:
            raise CommandError(f"There is no entry in {options['file']}.")
        with transaction.atomic():  # a logbook that nothing came into is not begun
            book = actions.open_logbook(subject=_subject(options), by=by)
            done = actions.import_entries(logbook=book, parsed=parsed, name=name, by=by)
        told = f"{done.added:,} added, {done.corrected:,} of them corrections; {done.known:,} were there already"
        self.stdout.write(f"{book.subject.full_name}: {told}.")


def _subject(options: dict[str, Any]) -> Family | Model:
    lab, slash, name = (options["model"] or options["family"]).partition("/")
    if not slash:
        raise CommandError(f"Name the lab too: --{'model' if options['model'] else 'family'} LAB/{lab}.")
    found = lookup.by_any_name(lab, name) if options["model"] else lookup.family(lab, name)
    if found is None:
        raise CommandError(f"There is no {lab}/{name} here.")
    return found


def _person(email: str | None) -> User | None:
    if not email:
        return None
    found = User.objects.filter(email=email.lower()).first()
    if found is None:
        raise CommandError(f"Nobody here has the address {email}.")
    return found
