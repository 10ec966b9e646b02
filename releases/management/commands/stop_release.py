"""Stop a release, or lift its stop, as the operator of the portal."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.errors import WeighbridgeError
from portal.outbox.telling import told
from releases import lookup
from releases.actions import lift_stop, stop_release
from releases.models import Family, Model, Revision
from releases.stop_models import Stop


class Command(BaseCommand):
    help = "Refuse every download and query of a release from the next request on, with a reason; --lift gives it out again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", help="lab/name, or lab/name@commit for one revision")
        parser.add_argument("--family", action="store_true", help="lab/name is a family: every model of it")
        parser.add_argument("--reason", default="", help="for every reader: what is wrong, and what to do with copies")
        parser.add_argument("--instead", default="", help="a published model as lab/name, or lab/name@commit")
        parser.add_argument("--lift", action="store_true", help="lift the stop that is in force")

    def handle(self, *, what: str, family: bool, reason: str, instead: str, lift: bool, **_options: Any) -> None:
        subject = _family(what) if family else _release(what)
        if subject is None:
            raise CommandError(f"There is no {'family' if family else 'model or published revision'} {what}.")
        meanwhile = (
            "Downloads are given already. Until then queries are refused."
            if lift
            else "Downloads are refused already. Until then answers that run go on; without the limits store no query begins."
        )
        with told(meanwhile):
            try:
                stop = (
                    _lifted(subject, what)
                    if lift
                    else stop_release(subject=subject, by=None, reason=reason, instead=instead)
                )
            except WeighbridgeError as error:
                raise CommandError(error.message) from error
            self.stdout.write(f"{'Lifted the stop of' if lift else 'Stopped'} {stop.name}; its holders are written to.")


def _family(name: str) -> Family | None:
    lab, _slash, slug = name.partition("/")
    return lookup.family(lab, slug)


def _release(name: str) -> Model | Revision | None:
    full_name, at, commit = name.partition("@")
    lab, _slash, own = full_name.partition("/")
    model = lookup.by_any_name(lab, own)
    if model is None or not at:
        return model
    if not commit:
        raise CommandError(f"Name the commit behind {name}, or leave the @ away to stop all of the model.")
    found = model.revisions.published().filter(commit__startswith=commit.lower())[:2]
    return found[0] if len(found) == 1 else None


def _lifted(subject: Family | Model | Revision, what: str) -> Stop:
    stop = subject.stops.in_force().first()
    if stop is None:
        raise CommandError(f"{what} is not stopped.")
    return lift_stop(stop=stop, by=None)
