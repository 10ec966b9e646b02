"""Start-up refuses unsafe or contradictory settings, with the fix in the message."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.http.request import split_domain_port, validate_host


@register(Tags.security, deploy=True)
def production(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What a public portal must not do."""
    if settings.MODE not in {"serve", "scaled"}:
        return []
    faults = [*_mail(), *_storage(), *_secrets()]
    found = [Error(text, hint=hint, id=f"weighbridge.{id_}") for id_, wrong, text, hint in faults if wrong]
    return [*found, *_store_keys(), *_hosts(), *_content()]


Fault = tuple[str, bool, str, str]
"""Its number, whether it is so, what is wrong, and the fix."""


def _mail() -> list[Fault]:
    public = settings.BASE_URL.startswith("https://")  # plain HTTP is a trial, on the own machine
    events, secret = settings.MAIL_EVENTS, settings.MAIL_EVENTS_SECRET
    shown = "Set MAIL_EVENTS_SECRET=name:password, and give the mail service the address with it."
    torn = "No mail service can show MAIL_EVENTS_SECRET: it is not a name and a password."
    key = "Set MAIL_EVENTS_KEY to the HTTP webhook signing key."
    return [
        (
            "E001", public and not settings.MAIL_URL, "No mail can leave: MAIL_URL is empty.",
            "Set MAIL_URL=smtp://user:password@host:587.",
        ),
        ("E005", bool(events and not secret), "Bounces would go unseen: MAIL_EVENTS_SECRET is empty.", shown),
        ("E009", bool(events and secret and not all(secret.partition(":"))), torn, shown),
        (
            "E006", events == "mailgun" and not settings.MAIL_EVENTS_KEY,
            "Mailgun's events cannot be checked: MAIL_EVENTS_KEY is empty.", key,
        ),
    ]  # fmt: skip


def _storage() -> list[Fault]:
    told = settings.S3_ENDPOINT and settings.S3_ACCESS_KEY and settings.S3_SECRET_KEY
    need = "Set S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY, or STORE=local."
    shared = settings.MODE == "scaled" and settings.STORE == "local"
    return [
        ("E002", settings.STORE == "s3" and not told, "STORE=s3 without its address or keys.", need),
        ("E003", shared, "Several web servers cannot share a local folder.", "Set STORE=s3."),
    ]


def _secrets() -> list[Fault]:
    present = (settings.SECRET_KEY, settings.BLOB_SIGNING_KEY, settings.INTERNAL_SECRET, settings.RECEIPT_SIGNING_KEY)
    former = (
        *settings.SECRET_KEY_FALLBACKS, *settings.FORMER_BLOB_SIGNING_KEYS, *settings.FORMER_INTERNAL_SECRETS,
        *settings.FORMER_RECEIPT_SIGNING_KEYS,
    )  # fmt: skip
    keys = [key for key in (*present, *former) if key]
    hint = "Give SECRET_KEY, BLOB_SIGNING_KEY, INTERNAL_SECRET and RECEIPT_SIGNING_KEY each its own value."
    return [("E004", len(set(keys)) != len(keys), "One secret serves two purposes.", hint)]


def _store_keys() -> list[CheckMessage]:
    """A key without its secret signs links, and every one of them is refused."""
    pairs = [f"S3_{kind}" for kind in ("", "UPLOAD_", "READ_", "OWNER_")] + ["INGEST_S3_"]
    halves = [pair for pair in pairs if bool(_of(f"{pair}ACCESS_KEY")) != bool(_of(f"{pair}SECRET_KEY"))]
    names = ", ".join(f"{pair}ACCESS_KEY and {pair}SECRET_KEY" for pair in halves)
    hint = f"Set both or none of {names}."
    return [Error("A key of the store has only one half.", hint=hint, id="weighbridge.E010")] if halves else []


def _of(name: str) -> str:
    return str(getattr(settings, name))


def _hosts() -> list[CheckMessage]:
    """The public address is one that the portal answers to."""
    host, _port = split_domain_port(settings.BASE_URL.partition("://")[2].lower())
    if validate_host(host, settings.ALLOWED_HOSTS):
        return []
    hint = f"Add {host} to ALLOWED_HOSTS, or leave that out."
    return [Error("ALLOWED_HOSTS refuses the host of BASE_URL.", hint=hint, id="weighbridge.E011")]


def _content() -> list[CheckMessage]:
    """Content logging: who seals must not be able to open, and what is sealed must open."""
    private = settings.CONTENT_PRIVATE_KEY
    if not private:
        return []
    if settings.MODE != "scaled":
        hint = "Run the scaled size, where the gateway is a process of its own, or unset CONTENT_PRIVATE_KEY."
        return [Error("The process that seals content could open it.", hint=hint, id="weighbridge.E007")]
    public = X25519PrivateKey.from_private_bytes(base64.b64decode(private)).public_key().public_bytes_raw()
    if base64.b64encode(public).decode() != settings.CONTENT_KEY:
        hint = "Set both as manage.py make_content_key prints them."
        return [Error("CONTENT_PRIVATE_KEY does not open what CONTENT_KEY seals.", hint=hint, id="weighbridge.E008")]
    return []
