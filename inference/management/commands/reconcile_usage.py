"""`manage.py reconcile_usage`: does the ledger say what the engines counted?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference import reconcile
from inference.models import Backend, EngineCount
from portal.errors import Unavailable

_HEAD = ("server", "", "engine", "finished", "aborted", "difference")


class Command(BaseCommand):
    help = "Compare the ledger with each engine's own counters since its start. Exact when nothing runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fail-on-drift", action="store_true", help="end with status 1 when anything differs")

    def handle(self, *args: Any, **options: Any) -> None:
        drift = 0
        self.stdout.write("{:<40} {:<10} {:>12} {:>12} {:>12} {:>12}".format(*_HEAD))
        for backend in Backend.objects.select_related("pool__lab").order_by("pool", "name"):
            try:
                count = reconcile.compare(backend)
            except Unavailable as error:
                self.stderr.write(error.message)
                drift += 1
                continue
            self._print(count)
            drift += abs(count.prompt_drift) + abs(count.completion_drift)
        if drift and options["fail_on_drift"]:
            raise CommandError("The ledger and the engines differ.")

    def _print(self, count: EngineCount) -> None:
        line = "{:<40} {:<10} {:>12} {:>12} {:>12} {:>12}"
        prompt = (count.engine_prompt, count.finished_prompt, count.aborted_prompt, count.prompt_drift)
        completion = (
            count.engine_completion,
            count.finished_completion,
            count.aborted_completion,
            count.completion_drift,
        )
        self.stdout.write(line.format(count.backend, "prompt", *prompt))
        self.stdout.write(line.format("", "completion", *completion))
