"""Import a file of numbers into the logbook of a model or family."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.errors import WeighbridgeError
from releases.curves import formats
from releases.curves.actions import import_curves, take_back_curves
from releases.logbook_models import Logbook
from releases.models import Model


class Command(BaseCommand):
    help = "Import metrics.jsonl, TensorBoard events, a W&B export or codecarbon's CSV as curves. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what the training program wrote")
        parser.add_argument("logbook", help="lab/model, or lab/family for a family's own logbook")
        parser.add_argument("--run", default="", help="the run that it tells of, as the logbook names it")
        parser.add_argument(
            "--format", default="", choices=["", *formats.READERS], help="told by the file's name otherwise"
        )
        parser.add_argument("--replace", action="store_true", help="take the place of series that the run has already")

        parser.add_argument(
            "--take-back", action="store_true", help="undo the import of this very file, while its logbook is open"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        lab, _, name = str(options["logbook"]).partition("/")
        books = Logbook.objects.with_subjects()
        logbook = books.filter(model__in=Model.objects.ever_called(lab, name)).first()
        logbook = logbook or books.filter(model=None, family__lab__slug=lab, family__slug=name).first()
        if logbook is None:
            raise CommandError(
                f"{options['logbook']} has no logbook. Begin one on its page, or import its entries first."
            )
        path: Path = options["file"]
        if options["take_back"]:
            self._take_back(logbook, path)
            return
        if not options["run"]:
            raise CommandError("Name the run that the file tells of: --run NAME.")
        try:
            with path.open("rb") as file:
                recording = import_curves(
                    logbook=logbook, run=options["run"], file=file, source=path.name, by=None,
                    kind=options["format"], replace=options["replace"],
                )  # fmt: skip
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        for curve in recording.curves.select_related("run"):
            self.stdout.write(f"{curve.run.name} {curve.name}: {curve.points:,} point{'s' * (curve.points != 1)}")

    def _take_back(self, logbook: Logbook, path: Path) -> None:
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            take_back_curves(logbook=logbook, sha256=sha256, by=None)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{path.name}: taken back")
