"""Typed readers of the environment. Each fails loudly, naming the variable and the fix."""

from __future__ import annotations

import base64
import json
import os
import re
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from portal.errors import Misconfigured

MAIL_SERVICES: Final = ("amazon_ses", "brevo", "mailgun", "postmark", "sendgrid")
_ORCID: Final = {"name": "ORCID", "server": "https://orcid.org", "scope": ["openid"]}
_GOOGLE: Final = {"name": "Google", "server": "https://accounts.google.com"}
_KNOWN: Final[dict[str, dict[str, Any]]] = {"orcid": _ORCID, "google": _GOOGLE, "github": {}}
"""What need not be said of these providers of sign-in. ORCID gives no e-mail address and refuses to be asked for one."""
SECRET_LEAST: Final = 32
"""Characters of a secret: 128 bits where they are hexadecimal digits."""
_DIFFERENT: Final = 5
"""Of those, different ones, as many as Django's own check of SECRET_KEY asks for."""
_MAKE_ONE: Final = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'."
_SOCKETS: Final = ("unix", "redis+socket")
_ESCAPED: Final = ", with / as %2F, # as %23, ? as %3F and @ as %40 inside a name or password."
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    """The variable's text, or the content of the file that `<name>_FILE` names, or the default.

    Raises Misconfigured when both are set, or when the file cannot be read.
    """
    path = os.environ.get(f"{name}_FILE", "")
    if path and name in os.environ:
        raise Misconfigured(f"Both {name} and {name}_FILE are set. Unset one of them.")
    if not path:
        return os.environ.get(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"{name}_FILE names {path}, which cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{name}_FILE names {path}, which is not UTF-8. Write the value into it as text.") from None


def required(name: str, purpose: str) -> str:
    """The variable's text; raises Misconfigured with its purpose when it is missing or empty."""
    value = text(name)
    if not value:
        raise Misconfigured(f"{name} is not set. It is {purpose}. Set {name}, or {name}_FILE to a file that holds it.")
    return value


def secrets(name: str, purpose: str = "") -> tuple[str, ...]:
    """The present secret and, behind it, parted by blanks or lines, former ones that it was exchanged for.

    Empty where it is not set and has no purpose that stops the start. Raises Misconfigured, with how to make one, for
    one that is short, of few different characters, not printable, or given twice.
    """
    words = tuple((required(name, purpose) if purpose else text(name)).split())
    if purpose and not words:
        raise Misconfigured(f"{name} holds nothing but blanks. It is {purpose}. {_MAKE_ONE}")
    for each in words:
        if not each.isprintable():
            raise Misconfigured(f"{name} has characters that nobody can see. {_MAKE_ONE}")
        if len(each) < SECRET_LEAST or len(set(each)) < _DIFFERENT:
            raise Misconfigured(
                f"{name} can be guessed: it needs at least {SECRET_LEAST} random characters, and a blank in it begins a "
                f"former one. {_MAKE_ONE}"
            )
    if len(set(words)) != len(words):
        raise Misconfigured(
            f"{name} has one secret twice. Write the new one first, and each former one once behind it."
        )
    return words


def flag(name: str, *, default: bool) -> bool:
    """A yes or no: 1/true/yes/on or 0/false/no/off."""
    value = text(name, "1" if default else "0").strip().lower()
    if value not in _TRUE | _FALSE:
        raise Misconfigured(f"{name} is {value!r}. Use 1 or 0.")
    return value in _TRUE


def number(name: str, default: int, *, least: int = 0) -> int:
    """A whole number, not under `least`."""
    value = text(name, str(default)).strip()
    try:
        parsed = int(value)
    except ValueError:
        raise Misconfigured(f"{name} is {value!r}. Use a whole number, for example {default}.") from None
    if parsed < least:
        raise Misconfigured(f"{name} is {parsed}. The least it may be is {least}.")
    return parsed


def choice(name: str, default: str, options: tuple[str, ...]) -> str:
    """One of the options."""
    value = text(name, default).strip()
    if value not in options:
        raise Misconfigured(f"{name} is {value!r}. Use one of: {', '.join(options)}.")
    return value


def keys(name: str) -> tuple[str, ...]:
    """The present key, 32 bytes in base64 (`manage.py make_content_key` makes a pair), and former ones behind it; or none."""
    words = tuple(text(name).split())
    for value in words:
        try:
            right = len(base64.b64decode(value, validate=True)) == 32
        except ValueError:
            right = False
        if not right:
            raise Misconfigured(f"{name} is no key of 32 bytes in base64. Make a pair: manage.py make_content_key.")
    return words


def names(name: str, default: str) -> list[str]:
    """A list that is separated by commas, without the blanks around them."""
    return [each.strip() for each in text(name, default).split(",") if each.strip()]


def address(name: str, default: str, schemes: tuple[str, ...], example: str) -> str:
    """An address of one of these schemes, or empty; raises Misconfigured without showing it, for it may hold a password."""
    value = text(name, default).strip()
    parts = _parts(value)
    placed = (
        parts is not None
        and parts.scheme in schemes
        and (parts.hostname or (parts.scheme in _SOCKETS and parts.path.strip("/")))
    )
    if value and not placed:
        raise Misconfigured(f"{name} is no address that is understood here. Write it like {example}{_ESCAPED}")
    return value


def contact(name: str) -> str:
    """Where people write to, as a URI: a mail address or a page; empty where none is set. Raises Misconfigured."""
    value = text(name, "").strip()
    local, at, domain = value.rpartition("@")
    if at and local and "." in domain and not set(value) & set(" ,;:/<>"):
        return f"mailto:{value}"
    return address(name, "", ("https",), "security@lab.example or https://lab.example/security")


def behind(broker: str) -> str:
    """Where Celery's broker is, in redis-py's words: Celery has its own for a socket and the database behind it."""
    parts = urlsplit(broker)
    if parts.scheme not in _SOCKETS:
        return broker
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return f"unix://{parts.netloc}{parts.path}?db={number}"


def _parts(value: str) -> SplitResult | None:
    """An address taken apart; None for what is none: its port is no number, a bracket is missing, it has a `#`."""
    try:
        parts = urlsplit(value)
        torn = parts.port == 0 or bool(parts.fragment)
    except ValueError:
        return None
    return None if torn else parts


def sender(name: str, default: str) -> str:
    """Who mail comes from, as `Name <address>` or an address alone."""
    value = text(name, default).strip()
    if "@" not in parseaddr(value)[1] or not value.isprintable():
        raise Misconfigured(f"{name} is {value!r}. Write it like {default}.")
    return value


def origin(name: str, default: str) -> str:
    """Scheme and host of an address, without a slash at its end.

    Raises Misconfigured for one with a path: another site on the same origin would share our cookies, and the Hub's
    clients would be sent to addresses outside of it.
    """
    value = text(name, default).strip().rstrip("/")
    parts = _parts(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise Misconfigured(f"{name} is {value!r}. Use the address that visitors see, for example {default}.")
    if parts.path or parts.query or parts.fragment:
        root = f"{parts.scheme}://{parts.netloc}"
        raise Misconfigured(
            f"{name} is {value!r}. The portal needs a host name of its own: give it one, and set {name}={root}."
        )
    return value


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?host=/socket/folder&sslmode=…`.

    Raises Misconfigured for any other kind of database: constraints, triggers and partitions need PostgreSQL.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise Misconfigured(
            "DATABASE_URL must begin with postgresql://. Weighbridge runs on PostgreSQL 15 or newer alone."
        )
    parts = _parts(url)
    if parts is None:
        raise Misconfigured(
            f"DATABASE_URL is no address. Write it like postgresql://user:password@host:5432/name{_ESCAPED}"
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "portal.postgres",
        "NAME": unquote(parts.path.lstrip("/")) or "weighbridge",
        "USER": unquote(parts.username or query.pop("user", "postgres")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "")),
        "OPTIONS": query,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # PgBouncer in transaction mode
    }


def mail(url: str) -> dict[str, Any]:
    """Django's mail settings for `smtp://user:password@host:port`, `smtps://…`, a mail service (`postmark://key@`,
    `sendgrid://key@`, `brevo://key@`, `mailgun://key@domain`, `amazon_ses://key:secret@region`), `mailbox://` (demo) or
    empty (console).
    """
    scheme, _, rest = url.partition("://")
    if scheme == "mailbox":
        return {"EMAIL_BACKEND": "portal.mailbox.backend.MailboxBackend"}
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = _parts(f"//{rest}")  # whole, urlsplit knows no scheme with an underscore
    if scheme in MAIL_SERVICES and parts:
        return _mail_service(scheme, parts)
    if scheme not in {"smtp", "smtps"} or parts is None or not parts.hostname:
        raise Misconfigured(
            "MAIL_URL must look like smtp://user:password@host:587 or smtps://user:password@host:465, "
            f"or begin with a mail service: {', '.join(MAIL_SERVICES)}{_ESCAPED}"
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": scheme == "smtps",
        "EMAIL_USE_TLS": scheme == "smtp" and bool(parts.username),
        "EMAIL_TIMEOUT": 20,
    }


def _mail_service(scheme: str, parts: SplitResult) -> dict[str, Any]:
    key, host = unquote(parts.username or ""), parts.hostname or ""
    needs = {"mailgun": "its key and domain: mailgun://key@domain", "amazon_ses": "amazon_ses://key:secret@region"}
    if not key or (scheme in needs and not host):
        raise Misconfigured(f"MAIL_URL must name {needs.get(scheme, f'its key: {scheme}://key@')}.")
    known: dict[str, dict[str, Any]] = {
        "postmark": {"POSTMARK_SERVER_TOKEN": key},
        "sendgrid": {"SENDGRID_API_KEY": key},
        "brevo": {"BREVO_API_KEY": key},
        "mailgun": {"MAILGUN_API_KEY": key, "MAILGUN_SENDER_DOMAIN": host},
        "amazon_ses": {
            "AMAZON_SES_CLIENT_PARAMS": {
                "aws_access_key_id": key,
                "aws_secret_access_key": unquote(parts.password or ""),
                "region_name": host,
            }
        },
    }
    return {
        "EMAIL_BACKEND": f"anymail.backends.{scheme}.EmailBackend",
        "ANYMAIL": {**known[scheme], "REQUESTS_TIMEOUT": 20},
    }


def sign_in(text: str) -> dict[str, Any]:
    """allauth's settings for a JSON list of providers: `[{"id", "name", "server", "client_id", "secret"}, …]`.

    `orcid`, `google` and `github` need neither name nor server; any other id is an OpenID Connect provider.
    Raises Misconfigured with what is wrong in which entry.
    """
    try:
        listed = json.loads(text or "[]")
    except ValueError as error:
        raise Misconfigured(f"SIGN_IN_PROVIDERS is not JSON ({error}). Write a list of objects.") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Misconfigured("SIGN_IN_PROVIDERS must be a list of objects, one for each provider.")
    openid, github, seen = list[dict[str, Any]](), list[dict[str, Any]](), set[str]()
    for entry in listed:
        app = _provider(entry)
        if app["provider_id"] in seen:
            raise Misconfigured(f"SIGN_IN_PROVIDERS names {app['provider_id']!r} twice.")
        seen.add(app["provider_id"])
        (github if app["provider_id"] == "github" else openid).append(app)
    return {"openid_connect": {"APPS": openid}, "github": {"APPS": github}}


def _provider(entry: dict[str, Any]) -> dict[str, Any]:
    """One entry as allauth wants it."""
    name = str(entry.get("id", ""))
    told = {**_KNOWN.get(name, {}), **entry}
    needed = ("client_id", "secret") if name == "github" else ("name", "server", "client_id", "secret")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) or name in {"login", "signup"}:
        raise Misconfigured(f"SIGN_IN_PROVIDERS: {name!r} is no id. Use lower-case letters, digits and hyphens.")
    missing = [key for key in needed if not isinstance(told.get(key), str) or not told[key]]
    if missing:
        raise Misconfigured(f"SIGN_IN_PROVIDERS: {name!r} lacks {', '.join(missing)}.")
    server = str(told.get("server", ""))
    if server and not server.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise Misconfigured(f"SIGN_IN_PROVIDERS: the server of {name!r} must begin with https://.")
    scope = told.get("scope", [])
    if not isinstance(scope, list) or not all(isinstance(each, str) for each in scope):
        raise Misconfigured(
            f'SIGN_IN_PROVIDERS: the scope of {name!r} must be a list, for example ["openid", "email"].'
        )
    kept = {"server_url": server.rstrip("/"), "oauth_pkce_enabled": True}
    if "scope" in told:
        kept["scope"] = told["scope"]
    keys = {"client_id": told["client_id"], "secret": told["secret"], "name": told.get("name", "GitHub")}
    return {**keys, "provider_id": name, "settings": kept}
