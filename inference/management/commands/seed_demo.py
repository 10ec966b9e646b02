"""`manage.py seed_demo`: fill the demo lab through the same actions as everybody, and write demo.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from inference import routes
from inference.actions import set_allowance
from inference.allowances import SITE_DEFAULT
from inference.demo import access, models, people, work
from inference.demo.tokens import token
from inference.models import Allowance
from portal.access.models import Grant
from portal.people.models import Lab, User
from portal.tokens.scopes import Kind, Scope
from releases.logbook import recording
from releases.models import Model, Revision


class Command(BaseCommand):
    help = "Fill the demo lab. Safe to repeat; only for a demo home."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MODE not in {"demo", "test"}:
            raise CommandError(
                "This would put invented people into a real portal. It runs with WEIGHBRIDGE_MODE=demo alone."
            )
        path = Path(settings.HOME) / "demo.json"
        known = _read(path)
        people.institutions()
        lab = people.lab()
        accounts = _accounts(known)
        manager, first, second, researcher, applicant = (user for _, user, _ in accounts[:5])
        hosted, grant = _releases(lab, manager, researcher, [first, second])
        published = [model.main_id for model in hosted if model.main_id]
        for revision in Revision.objects.filter(pk__in=published).select_related("model__lab", "model__family"):
            recording.record(revision)
        call_command("seed_catalogue", stdout=self.stdout)
        if hosted[-1].gate is not None:
            access.waiting(gate=hosted[-1].gate, applicant=applicant, answers=access.APPLICANT)
        if not Allowance.objects.current().filter(lab=lab).exists():
            set_allowance(by=manager, lab=lab, limits=SITE_DEFAULT)
        secrets = _tokens(known.get("tokens", {}), manager, first, researcher, grant)
        _engine_token(manager)
        routes.push()
        work.planned()
        content = {
            "base_url": settings.BASE_URL,
            "users": [{"email": user.email, "password": password, "role": role} for role, user, password in accounts],
            "tokens": secrets,
            "models": [{"id": model.full_name, "gated": model.gate_id is not None} for model in hosted],
            "engine": known.get("engine"),
        }
        _write(path, json.dumps(content, indent=2) + "\n")
        self.stdout.write(f"{len(accounts)} people, {len(hosted)} models: {path}")


def _accounts(known: dict[str, Any]) -> list[tuple[str, User, str]]:
    """(role, user, password) of everybody, in the order of people.PEOPLE."""
    passwords = {user["email"]: user["password"] for user in known.get("users", [])}
    return [(who.role, *people.person(who, passwords.get(who.email, ""))) for who in people.PEOPLE]


def _releases(lab: Lab, manager: User, researcher: User, reviewers: list[User]) -> tuple[list[Model], Grant]:
    """The published models, smallest first, and the researcher's grant for the gated one."""
    family = models.family(lab=lab, manager=manager)
    published = models.manifest()
    largest = published[-1]["name"]
    gate = access.gate(lab=lab, slug=largest, manager=manager)
    hosted = [
        models.publish(entry, family=family, gate=gate if entry["name"] == largest else None, manager=manager)
        for entry in published
    ]
    grant = access.finished(gate=gate, applicant=researcher, reviewers=reviewers)
    access.lengthen(gate=gate, manager=manager)
    return hosted, grant


def _tokens(known: dict[str, str], manager: User, reviewer: User, researcher: User, grant: Grant) -> dict[str, str]:
    """One secret for each use that demo.json promises."""
    return {
        "download": token(by=researcher, kind=Kind.DOWNLOAD, label="demo downloads", known=known.get("download", "")),
        "query": token(
            by=researcher, kind=Kind.QUERY, label="demo queries", known=known.get("query", ""), project=grant.project
        ),
        "publish": token(by=manager, kind=Kind.PUBLISH, label="demo publishing", known=known.get("publish", "")),
        "review": token(by=reviewer, kind=Kind.REVIEW, label="demo reviews", known=known.get("review", "")),
        "manage": token(
            by=manager, kind=Kind.SERVICE, label="demo management", known=known.get("manage", ""), scopes=[Scope.MANAGE]
        ),
    }


def _engine_token(manager: User) -> None:
    """The engine's own service token, in the home's secrets: it may download, nothing else."""
    path = Path(settings.HOME) / "secrets" / "engine_token"
    known = path.read_text(encoding="ascii").strip() if path.exists() else ""
    secret = token(by=manager, kind=Kind.SERVICE, label="demo engine", known=known, scopes=[Scope.DOWNLOAD])
    if secret != known:
        _write(path, secret)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: str) -> None:
    """Whole or not at all, and readable by its owner alone from the first byte."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)
