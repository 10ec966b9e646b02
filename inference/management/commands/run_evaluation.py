"""Measure a served revision by a task set, through a batch, and follow it to its scores."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from inference.batch_models import Batch
from inference.batches import running
from inference.evaluating import actions, choosing
from inference.evaluating.task_set import FILE_MAX
from inference.evaluating.telling import STATES
from inference.evaluation_lifecycle import State
from inference.evaluation_models import EvaluationRun
from portal.errors import Invalid, Unavailable, WeighbridgeError
from portal.people.models import User
from portal.tokens.models import AccessToken
from releases import lookup
from releases.models import Revision

BEAT_S: Final = 1.0
PATIENCE_S: Final = 120.0
"""How long the ledger may lack a request of a batch that is over, before the command says so and ends."""


class Command(BaseCommand):
    help = (
        "Measure a revision that a pool serves: each item of a task set is a row of a batch, billed and receipted as any. "
        "Interrupted and given again it goes on with the same batch; nothing is billed or attached twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="lab/name")
        parser.add_argument("--revision", default="main", help="branch, tag or commit id that a pool serves (main)")
        parser.add_argument("--tasks", type=Path, required=True, help="the task set: docs/evaluations.md")
        parser.add_argument("--by", required=True, help="the e-mail address of the release manager who runs it")
        parser.add_argument(
            "--token", default="", help="the name of one of their query tokens; else the newest that may"
        )
        parser.add_argument("--attach", action="store_true", help="attach the scores where every item was answered")
        parser.add_argument("--again", action="store_true", help="measure again what is attached already")
        parser.add_argument("--work", action="store_true", help="send the rows from here, where no batch worker runs")
        parser.add_argument("--no-wait", action="store_true", help="begin, and leave the rest to the workers")

    def handle(self, *, model: str, tasks: Path, by: str, **options: Any) -> None:
        try:
            user = _person(by)
            run = actions.begin(
                by=user, revision=_revision(model, options["revision"], user), content=_content(tasks),
                token=_token(user, options["token"]), directly=options["attach"], again=options["again"],
            )  # fmt: skip
            self.stdout.write(f"{run.pk}: {run.items:,} items of {run.task}, {run.batch_wire_id}")
            if not options["no_wait"]:
                run = self._wait(run, work=options["work"])
        except Invalid as error:
            places = "".join(f"\n  {text}" for texts in error.fields.values() for text in texts)
            raise CommandError(error.message + places) from error
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        self._tell(run)
        if run.state == State.FAILED:
            raise CommandError(f"Nothing came out. {run.problem}")

    def _wait(self, run: EvaluationRun, *, work: bool) -> EvaluationRun:
        told = -1
        while batch := Batch.objects.live().filter(pk=run.batch).first():
            moved = batch.answered != told
            if moved:
                told = batch.answered
                self.stdout.write(f"{batch.state}: {told:,} of {batch.total:,} rows")
            if work:
                running.run(batch.pk)  # returns at once while another worker has it
            if not (work and moved):
                time.sleep(BEAT_S)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                run.refresh_from_db()
                return actions.follow(run=run)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(BEAT_S)

    def _tell(self, run: EvaluationRun) -> None:
        for one in run.results:
            error = "" if one["stderr"] is None else f" ± {one['stderr']:.6g}"
            self.stdout.write(f"{run.task} {one['metric']}: {one['value']:.6g}{error}, n = {one['n']:,}")
        if run.state != State.RUNNING and run.unmarked:
            self.stdout.write(f"{run.unmarked:,} of {run.items:,} items have no answer and are not counted:")
            for one in run.failures:
                self.stdout.write(f"  {one['item']}: {one['why']}")
        self.stdout.write(f"{STATES[State(run.state)]}{': ' + run.problem if run.problem else ''}")


def _person(address: str) -> User:
    found = User.objects.filter(email__iexact=address, is_active=True).first()
    if found is None:
        raise CommandError(f"There is nobody with the address {address}.")
    return found


def _revision(named: str, revision: str, user: User) -> Revision:
    namespace, _slash, own = named.partition("/")
    model = lookup.by_any_name(namespace, own)
    found = lookup.revision(model, revision, person=user, now=timezone.now()) if model else None
    if found is None:
        raise CommandError(f"There is no revision {revision} of {named}.")
    return found


def _token(user: User, label: str) -> AccessToken | None:
    if not label:
        return None
    found = next((token for token in choosing.tokens_of(user) if token.label == label), None)
    if found is None:
        raise CommandError(f"{user.email} has no live query token called {label}.")
    return found


def _content(tasks: Path) -> bytes:
    try:
        with tasks.open("rb") as source:
            return source.read(FILE_MAX + 1)
    except OSError as fault:
        raise CommandError(f"{tasks} cannot be read: {fault.strerror}.") from fault
