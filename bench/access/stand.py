"""A private PostgreSQL and Valkey, and Django with the settings of a real portal."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.management import call_command

from infra.embedded import servers


@contextmanager
def stand() -> Iterator[Path]:
    """The home of an empty, migrated portal; DATABASE_URL and REDIS_URL name other servers than its own."""
    with tempfile.TemporaryDirectory(prefix="wb-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o711)
        running = []
        try:
            for name, start in (("DATABASE_URL", _postgres), ("REDIS_URL", _valkey)):
                if name not in os.environ:
                    running.append(start(home))
                    os.environ[name] = running[-1].url
            _set_up(home)
            yield home
        finally:
            for server in running:
                server.stop()


def _postgres(home: Path) -> servers.Server:
    return servers.start_postgres(home, home / "postgres.log")


def _valkey(home: Path) -> servers.Server:
    return servers.start_valkey(home, "limits", home / "valkey.log", persist=False)


def _set_up(home: Path) -> None:
    keys = ("SECRET_KEY", "BLOB_SIGNING_KEY", "INTERNAL_SECRET", "RECEIPT_SIGNING_KEY")
    os.environ |= {name: secrets.token_urlsafe(48) for name in keys}
    os.environ |= {
        "WEIGHBRIDGE_MODE": "serve", "WEIGHBRIDGE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings",
        "LOG_LEVEL": "WARNING", "MAIL_URL": "mailbox://",
        "INTERNAL_URL": "http://127.0.0.1:1",  # the gateway beside the portal wants one; no bench asks it for anything
    }  # fmt: skip
    static = home / "static"
    static.mkdir(exist_ok=True)
    (static / "staticfiles.json").write_text('{"paths": {}, "version": "1.1", "hash": ""}')  # the settings look for it
    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)
    call_command("migrate", verbosity=0)
