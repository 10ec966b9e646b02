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
    found: list[CheckMessage] = []
    if settings.MODE not in {"serve", "scaled"}:
        return found
    if not settings.MAIL_URL and settings.BASE_URL.startswith("https://"):  # plain HTTP is a trial, on the own machine
        found.append(
            Error(
                "No mail can leave: MAIL_URL is empty.",
                hint="Set MAIL_URL=smtp://user:password@host:587.",
                id="weighbridge.E001",
            )
        )
    if settings.STORE == "s3" and not (settings.S3_ENDPOINT and settings.S3_ACCESS_KEY and settings.S3_SECRET_KEY):
        found.append(
            Error(
                "STORE=s3 without its address or keys.",
                hint="Set S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY, or STORE=local.",
                id="weighbridge.E002",
            )
        )
    if settings.MODE == "scaled" and settings.STORE == "local":
        found.append(
            Error("Several web servers cannot share a local folder.", hint="Set STORE=s3.", id="weighbridge.E003")
        )
    if settings.MAIL_EVENTS and not settings.MAIL_EVENTS_SECRET:
        found.append(
            Error(
                "Bounces would go unseen: MAIL_EVENTS_SECRET is empty.",
                hint="Set MAIL_EVENTS_SECRET=name:password, and give the mail service the address with it.",
                id="weighbridge.E005",
            )
        )
    elif settings.MAIL_EVENTS and not all(settings.MAIL_EVENTS_SECRET.partition(":")):
        found.append(
            Error(
                "No mail service can show MAIL_EVENTS_SECRET: it is not a name and a password.",
                hint="Set MAIL_EVENTS_SECRET=name:password, and give the mail service the address with it.",
                id="weighbridge.E009",
            )
        )
    if settings.MAIL_EVENTS == "mailgun" and not settings.MAIL_EVENTS_KEY:
        found.append(
            Error(
                "Mailgun's events cannot be checked: MAIL_EVENTS_KEY is empty.",
                hint="Set MAIL_EVENTS_KEY to the HTTP webhook signing key.",
                id="weighbridge.E006",
            )
        )
    given = (settings.SECRET_KEY, settings.BLOB_SIGNING_KEY, settings.INTERNAL_SECRET, settings.RECEIPT_SIGNING_KEY)
    keys = [key for key in given if key]
    if len(set(keys)) != len(keys):
        found.append(
            Error(
                "One secret serves two purposes.",
                hint="Give SECRET_KEY, BLOB_SIGNING_KEY, INTERNAL_SECRET and RECEIPT_SIGNING_KEY each its own value.",
                id="weighbridge.E004",
            )
        )
    return found + _store_keys() + _hosts() + _content()


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
