"""`manage.py switch`: close a door of the whole portal, or open it again, as the operator."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.errors import Invalid
from portal.outbox.telling import told
from portal.switches.models import Switch, SwitchState, closed, flip


class Command(BaseCommand):
    help = "Close a door for everybody from the next request on, or open it again. Without --close or --open: how they stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("door", nargs="?", choices=Switch.values, help="left out: every one is shown")
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--close", action="store_true", help="needs --reason; given again, it keeps the new reason")
        way.add_argument("--open", action="store_true", help="safe to repeat")
        parser.add_argument("--reason", default="", help="for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        door, turned = options["door"], options["close"] or options["open"]
        if turned and not door:
            raise CommandError(f"Name the door: {', '.join(Switch.values)}.")
        meanwhile = "Pages, the API and downloads know it already. Until then answers that run go on; without the limits store no query begins."
        with told(meanwhile):
            if turned and (options["close"] or closed(door).exists()):
                try:
                    flip(switch=Switch(door), on=options["open"], reason=options["reason"].strip(), by=None)
                except Invalid as error:
                    raise CommandError(error.message) from error
            for each in [Switch(door)] if door else list(Switch):
                self.stdout.write(_standing(each, closed(each).first()))


def _standing(switch: Switch, state: SwitchState | None) -> str:
    if state is None:
        return f"{switch}: open"
    return f"{switch}: closed since {state.changed_at:%Y-%m-%d %H:%M} UTC: {state.reason}"
