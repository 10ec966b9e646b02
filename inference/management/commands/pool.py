"""`manage.py pool`: what serves, the file it comes from, and the door by which an engine says that it is ready or gone."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference import actions, overview, pool_actions, pool_file
from inference.models import Backend, Pool
from inference.overview import BackendState, PoolState
from portal.errors import WeighbridgeError
from portal.outbox.telling import told
from releases import lookup
from releases.models import Model

_OF_AN_ENGINE: Final = {"ready", "gone", "forget"}
"""What programs say. They need no word on the gateways: what is written down is enough, and the relay tells it."""


class Command(BaseCommand):
    help = "Show pools and their servers; bring them to what a file says; register, drain, resume or remove a server; retire a pool."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        status = verbs.add_parser("status", help="pools and servers, as the gateways see them")
        status.add_argument("--json", action="store_true", help="for programs")
        apply = verbs.add_parser("apply", help="make the pools that a YAML file names as it has them")
        apply.add_argument("file", help="its path, or - for standard input")
        apply.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
        verbs.add_parser("ready", help="register the server that the JSON on standard input describes")
        verbs.add_parser("gone", help="remove the server whose URL is in the JSON on standard input")
        verbs.add_parser("forget", help="remove every server: nothing serves, whatever an unclean end left behind")
        drain = verbs.add_parser("drain", help="send no new request to a server")
        resume = verbs.add_parser("resume", help="send requests to a drained server again")
        for verb in (drain, resume):
            verb.add_argument("backend", help="lab/pool/server, as `pool status` prints it")
        retire = verbs.add_parser("retire", help="close a pool for good, be it a canary, and remove its servers")
        retire.add_argument("pool", help="lab/pool, as `pool status` prints it")

    def handle(self, *args: Any, **options: Any) -> None:
        meanwhile = "Until then they send requests where they did; without the limits store they admit none."
        verb = options["verb"]
        try:
            with nullcontext() if verb in _OF_AN_ENGINE else told(meanwhile):
                getattr(self, verb)(options)
        except KeyError as error:
            raise CommandError(f"The JSON on standard input lacks {error}.") from error
        except (WeighbridgeError, ValueError) as error:
            raise CommandError(str(error)) from error

    def status(self, options: dict[str, Any]) -> None:
        found = overview.states(list(Pool.objects.serving()))
        if options["json"]:
            self.stdout.write(json.dumps([asdict(pool) for pool in found], indent=2))
            return
        for pool in found:
            self.stdout.write(_line(pool))
            for backend in pool.backends:
                self.stdout.write(_backend_line(backend))

    def apply(self, options: dict[str, Any]) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        changes = pool_actions.apply(by=None, wanted=pool_file.read(text), dry_run=options["dry_run"])
        for change in changes or ["Nothing to change."]:
            self.stdout.write(change)
        if changes and options["dry_run"]:
            self.stdout.write("Nothing was changed: this was a dry run.")

    def ready(self, options: dict[str, Any]) -> None:
        event = _event()
        serving = actions.Serving(
            url=event["url"],
            engine=event["engine"],
            engine_model=event["model"],
            context=int(event["context"]),
            chat=bool(event["chat"]),
            template_overhead=int(event["template_overhead"]),
            generates=bool(event.get("generates", True)),
            places=int(event["places"]) if "places" in event else None,
            **{name: bool(event.get(name, False)) for name in ("embeds", "tools", "tokenizer_info")},
        )
        actions.serve(by=None, model=_model(event["model"]), commit=event["revision"], serving=serving)

    def gone(self, options: dict[str, Any]) -> None:
        event = _event()
        for backend in Backend.objects.select_related("pool__lab", "pool__model__lab").filter(url=event["url"]):
            actions.withdraw(by=None, backend=backend, reason=str(event.get("reason", "")))

    def forget(self, options: dict[str, Any]) -> None:
        for backend in Backend.objects.select_related("pool__lab", "pool__model__lab"):
            actions.withdraw(by=None, backend=backend, reason="there is no engine")

    def drain(self, options: dict[str, Any]) -> None:
        found = actions.drain(by=None, backend=_named(options["backend"]))
        self.stdout.write(f"{options['backend']} gets no new request. `pool resume` gives it some again.")
        if not found.pool.backends.filter(draining=False).exists():
            self.stdout.write(
                f"It was the last: queries of {found.pool.model.full_name} are refused until a server is in use."
            )

    def resume(self, options: dict[str, Any]) -> None:
        actions.resume(by=None, backend=_named(options["backend"]))
        self.stdout.write(f"{options['backend']} is in use.")

    def retire(self, options: dict[str, Any]) -> None:
        lab, _, name = options["pool"].partition("/")
        found = Pool.objects.filter(lab__slug=lab, name=name).first()
        if found is None:
            raise CommandError(f"There is no pool {options['pool']}. `pool status` lists them.")
        actions.retire(by=None, pool=found)


def _named(full_name: str) -> Backend:
    pool, _, name = full_name.rpartition("/")
    lab, _, short = pool.partition("/")
    found = Backend.objects.filter(pool__lab__slug=lab, pool__name=short, name=name).first()
    if found is None:
        raise CommandError(f"There is no server {full_name}. `pool status` lists them.")
    return found


def _event() -> dict[str, Any]:
    event = json.load(sys.stdin)
    if not isinstance(event, dict):
        raise CommandError("Give one JSON object on standard input.")
    return event


def _line(pool: PoolState) -> str:
    canary = f"  canary {pool.canary_percent} %" if pool.canary_percent else ""
    places = f"places {_or_dash(pool.running)}/{_or_dash(pool.places)}  queued {_or_dash(pool.queued)}"
    return f"{pool.name}  {pool.model}@{pool.revision[:8]}{canary}  context {pool.context}  {places}"


def _backend_line(one: BackendState) -> str:
    cache = "–" if one.cache is None else f"{one.cache:.0%}"
    drift = "–" if one.drift is None else f"{one.drift[0]}/{one.drift[1]}"
    return (
        f"  {one.name}  {one.url}  {one.engine or '–'}  {'draining' if one.draining else 'in use'}  {one.state}  "
        f"outstanding {one.outstanding}  running {_or_dash(one.running)}  waiting {_or_dash(one.waiting)}  "
        f"cache {cache}  drift {drift}"
    )


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


def _model(full_name: str) -> Model:
    namespace, _, name = full_name.partition("/")
    model = lookup.by_any_name(namespace, name)
    if model is None:
        raise CommandError(f"There is no model {full_name}.")
    return model
