"""`manage.py load_crowd`: fill a database with invented people, applications, grants and audit entries, to measure it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.access.crowd import loading
from portal.access.crowd.lives import EVENTS_EACH, GRANTS_EACH


class Command(BaseCommand):
    help = (
        f"Fill a database for measuring: each application comes with its person, {GRANTS_EACH} grants and "
        f"{EVENTS_EACH} audit entries, all in the lab “crowd”. Run again after an interruption, it goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("applications", type=int, help="how many there are to be in the end, for instance 50000")
        parser.add_argument(
            "--among-real-people", action="store_true", help="also into a database that holds other people's data"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        others = loading.others()
        if others and not options["among_real_people"]:
            raise CommandError(
                f"{others} people here are not of the crowd. What this loads can never be taken out again: the audit "
                "trail keeps every entry. Use an empty database, or say --among-real-people."
            )
        for done in loading.load(options["applications"]):
            if done % (20 * loading.BATCH) == 0:
                self.stdout.write(f"{done} applications")
        loading.analyze()
        done = loading.loaded()
        self.stdout.write(f"{done} applications, {done * GRANTS_EACH} grants, {done * EVENTS_EACH} audit entries")
