"""What `make serve` asks for and the demo does not: settings that are kept, mail that arrives, a first administrator."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from infra.embedded import preparation
from infra.embedded.home import ROOT, Home
from infra.embedded.problems import Problem
from portal.env import MAIL_SERVICES

SETTINGS = "settings.env"
"""File in the home, one NAME=value a line. The environment wins over it with what is not empty: make hands on empty names."""


def with_settings(home: Home, mode: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment over the home's own settings file (`make serve` alone; the demo needs none)."""
    path = home.path / SETTINGS
    kept = _read(path) if mode == "serve" and path.exists() else {}
    return {**kept, **{name: value for name, value in environment.items() if value or name not in kept}}


def _read(path: Path) -> dict[str, str]:
    _keep_to_ourselves(path)
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator or not name.strip().isidentifier():
            raise Problem(f"Line {number} of {path} is not NAME=value.", "Correct the line, or put # before it.")
        found[name.strip()] = value.strip().strip('"')
    return found


def _keep_to_ourselves(path: Path) -> None:
    """It has passwords, like what lies in `secrets/`. Whose file it is may be another matter: then so are its rights."""
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):
            path.chmod(0o600)


def ask(home: Home, env: Mapping[str, str]) -> None:
    """Look, before anything is started, at what serving needs. Raises Problem with all that is missing or wrong, at once."""
    found = [problem for look in (_demand, _address, _checks, _mail) if (problem := _refused(look, home, env))]
    if len(found) == 1:
        raise found[0]
    if found:
        listed = "\n\n".join(f"{n}. {each.sentence}\n{each.step}" for n, each in enumerate(found, 1))
        raise Problem(f"`make serve` cannot start; {len(found)} things are missing or wrong.", f"\n{listed}")


def _refused(look: Callable[[Home, Mapping[str, str]], None], home: Home, env: Mapping[str, str]) -> Problem | None:
    try:
        look(home, env)
    except Problem as problem:
        return problem
    return None


def offer(home: Home, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Offer the first administrator's link, where there is none."""
    link = _administrator(home, env)
    if link:
        say(f"\nThe first administrator chooses a password here, once, within three days:\n\n  {link}\n")


def _demand(home: Home, env: Mapping[str, str]) -> None:
    given = {"MAIL_URL": _gives_mail(env), "ADMIN_EMAIL": env.get("ADMIN_EMAIL")}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise Problem(
            f"`make serve` needs {' and '.join(missing)}.",
            f"Write into {home.path / SETTINGS}, for example:\n\n"
            "  BASE_URL=https://models.example.org\n"
            "  MAIL_URL=smtp://user:password@mail.example.org:587\n"
            "  MAIL_FROM=Weighbridge <models@example.org>\n"
            "  ADMIN_EMAIL=you@example.org\n"
            "  LAB=your-lab\n"
            "  LAB_NAME=Your Laboratory",
        )


def _gives_mail(env: Mapping[str, str]) -> bool:
    return bool(env.get("MAIL_URL") or env.get("MAIL_URL_FILE"))


def _address(_home: Home, env: Mapping[str, str]) -> None:
    given = env.get("ADMIN_EMAIL", "").strip()
    try:
        if given:
            validate_email(given)
    except ValidationError:
        raise Problem(
            f"ADMIN_EMAIL is {given}, which is no address.", "Give that of the first administrator."
        ) from None


def _checks(_home: Home, env: Mapping[str, str]) -> None:
    """Django's own checks of a deployment, with ours. Plain HTTP on loopback is a trial: its warnings are let through."""
    level = "WARNING" if env["BASE_URL"].startswith("https://") else "ERROR"
    asked_for = {} if _gives_mail(env) else {"MAIL_URL": "smtp://localhost"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", level],
        env={**env, **asked_for}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Problem("The settings are not safe to serve with.", f"Django says:\n\n{done.stderr.strip()}")


def _mail(_home: Home, env: Mapping[str, str]) -> None:
    """Open a connection to the mail server, sign in, and leave. A mail service has none: its first mail shows its key."""
    if not _gives_mail(env):
        return
    given = env.get("MAIL_URL") or Path(env["MAIL_URL_FILE"]).read_text(encoding="utf-8").strip()
    if given.partition(":")[0] in MAIL_SERVICES:
        return
    parts = urlsplit(given)
    try:
        _greet(
            parts.scheme, parts.hostname or "", parts.port, unquote(parts.username or ""), unquote(parts.password or "")
        )
    except (OSError, smtplib.SMTPException) as error:
        raise Problem(
            f"The mail server {parts.hostname or given} does not take our connection ({error}).",
            "Correct MAIL_URL: smtp://user:password@host:587, or smtps://user:password@host:465.",
        ) from error


def _greet(scheme: str, host: str, port: int | None, user: str, password: str) -> None:
    if scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=15, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(host, port or 587, timeout=15)
    with server:
        server.ehlo()
        if scheme == "smtp" and user:
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if user:
            server.login(user, password)


def _administrator(home: Home, env: Mapping[str, str]) -> str:
    """The link, or nothing when an administrator exists."""
    named = {"--lab": env.get("LAB"), "--lab-name": env.get("LAB_NAME")}
    lab = [word for option, value in named.items() if value for word in (option, value)]
    preparation.manage(env, home, "first_administrator", "--email", env.get("ADMIN_EMAIL", ""), *lab)
    return (home.logs / "first_administrator.log").read_text(encoding="utf-8").strip()
