"""Publish the files of a folder, a bucket or another hub as a revision of a model."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model as Table
from django.db.models import QuerySet

from portal.access.gate_models import Gate
from portal.errors import WeighbridgeError
from portal.people.models import Lab, User
from releases import actions, lookup
from releases.ingest import Report, ingest, look
from releases.models import Family, Model

Row = TypeVar("Row", bound=Table)


class Command(BaseCommand):
    help = "Take files into the store as a revision of namespace/name. Safe to interrupt and to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="a folder, s3://bucket/prefix, or hub:https://host/namespace/name@revision")
        parser.add_argument("--model", required=True, metavar="NAMESPACE/NAME")
        parser.add_argument("--family", help="slug of a family of the same lab")
        parser.add_argument("--gate", help="slug of the gate that stands before a new model")
        parser.add_argument("--summary", default="", help="one sentence for the catalogue")
        parser.add_argument("--message", default="", help="what changed, for the list of revisions")
        parser.add_argument("--publish", action="store_true", help="publish when the checks pass")
        parser.add_argument("--at", type=_moment, help="the revision's time, ISO 8601 with zone (default: now)")
        parser.add_argument("--as", dest="person", help="e-mail address of the release manager (default: the operator)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._ingest(options)
        except WeighbridgeError as error:
            raise CommandError(error.message) from error

    def _ingest(self, options: dict[str, Any]) -> None:
        by = self._person(options["person"])
        looked = look(options["source"])  # first: a model's name is given once, and not to what nothing comes into
        model = self._model(options, by)
        revision = ingest(
            looked, model=model, by=by, message=options["message"],
            publish=options["publish"], at=options["at"], report=self._progress(),
        )  # fmt: skip
        self.stdout.write(f"{model.full_name} {revision.commit} {revision.state}")

    def _person(self, email: str | None) -> User | None:
        if not email:
            return None
        try:
            return User.objects.get(email=email.lower())
        except User.DoesNotExist:
            raise CommandError(f"Nobody here has the address {email}.") from None

    def _model(self, options: dict[str, Any], by: User | None) -> Model:
        """The model, made or brought up to date with the options that were given."""
        namespace, slash, name = options["model"].partition("/")
        model = lookup.by_any_name(namespace, name)
        lab = model.lab if model else Lab.objects.filter(slug=namespace).first()
        if not slash or lab is None:
            raise CommandError(f"{options['model']!r} must be namespace/name, and the namespace a lab of this portal.")
        wanted: dict[str, Any] = {"summary": options["summary"]} if options["summary"] else {}
        if options["family"]:
            wanted["family"] = _one(
                Family.objects.filter(lab=lab, slug=options["family"]), f"family {options['family']}"
            )
        if options["gate"]:
            wanted["gate"] = _one(Gate.objects.filter(lab=lab, slug=options["gate"]), f"gate {options['gate']}")
        if model is None:
            return actions.open_model(lab=lab, name=name, by=by, **wanted)
        return actions.describe_model(model=model, by=by, **wanted)

    def _progress(self) -> Report:
        last = 0.0

        def report(path: str, done: int, size: int) -> None:
            nonlocal last
            if size > 64 << 20 and (time.monotonic() - last > 2 or done == size):
                last = time.monotonic()
                self.stderr.write(f"{path}: {done / 1e6:,.0f} of {size / 1e6:,.0f} MB")

        return report


def _moment(text: str) -> datetime:
    """A time with its zone: without one it would be another moment on another machine."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ArgumentTypeError("give a time of ISO 8601 with its zone, for example 2026-11-26T12:00:00+00:00")
    return found


def _one(rows: QuerySet[Row], what: str) -> Row:
    row = rows.first()
    if row is None:
        raise CommandError(f"There is no {what} in this lab.")
    return row
