"""Import scores of a revision from a file, or from the record that it carries."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.errors import Invalid, WeighbridgeError
from releases import lookup
from releases.evaluations import actions, carried, readers
from releases.evaluations.reading import Said
from releases.models import Revision


class Command(BaseCommand):
    help = (
        "Import scores: lm-evaluation-harness and BigScience JSON, a card with model-index, or records/eval.json of a "
        "revision where no file is given. Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="lab/name, or lab/name@revision")
        parser.add_argument(
            "file", nargs="?", type=Path, help="the harness's own file; left out: what the revision carries"
        )
        parser.add_argument("--ran-by", default="", help="who ran the evaluation")
        parser.add_argument(
            "--ran-on", type=date.fromisoformat, help="on which day, where the file does not say: 2026-11-26"
        )
        parser.add_argument("--harness", default="", help="which program measured, where the file does not say")
        parser.add_argument("--harness-version", default="", help="and its version")

    def handle(self, *, model: str, file: Path | None, **options: Any) -> None:
        revision = _revision(model)
        said = Said(options["harness"], options["harness_version"], options["ran_by"], options["ran_on"])
        try:
            told = _from_file(revision, file, said) if file else carried.take_in(revision=revision, by=None)
        except Invalid as error:
            places = "".join(f"\n  {text}" for texts in error.fields.values() for text in texts)
            raise CommandError(error.message + places) from error
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        if told is None:
            raise CommandError(f"{model} carries no {carried.RECORD}. Name a file.")
        self.stdout.write(f"{model}: {told.added:,} scores added, {told.known:,} known")


def _from_file(revision: Revision, file: Path, said: Said) -> actions.Imported:
    try:
        with file.open("rb") as source:
            content = source.read(readers.FILE_MAX + 1)
    except OSError as fault:
        raise CommandError(f"{file} cannot be read: {fault.strerror}.") from fault
    return actions.import_scores(revision=revision, rows=readers.read(content, said), by=None)


def _revision(named: str) -> Revision:
    full_name, _at, name = named.partition("@")
    namespace, _slash, own = full_name.partition("/")
    model = lookup.by_any_name(namespace, own)
    found = lookup.revision(model, name or "main", person=None, now=timezone.now()) if model else None
    if found is None:
        raise CommandError(f"There is no published revision {named}.")
    return found
