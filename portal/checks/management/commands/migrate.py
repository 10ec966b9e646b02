"""`manage.py migrate`: not backwards without a word. Django passes over what it does not know, and the portal would start on it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """As Django's. Raises CommandError where a newer version has migrated the database: its tables are not ours."""
        unknown = _of_others(options.get("database") or DEFAULT_DB_ALIAS)
        if unknown and not options["prune"]:
            raise CommandError(
                f"A newer version has migrated this database ({', '.join(unknown)}). Start that version, or restore "
                "the copy that its upgrade made. Nothing was changed."
            )
        super().handle(*args, **options)


def _of_others(alias: str) -> list[str]:
    """Migrations of our apps that were applied, and that we have not. A squash stands for what it replaces."""
    loader = MigrationLoader(connections[alias])
    ours = {*loader.disk_migrations, *(old for squash in loader.replacements.values() for old in squash.replaces)}
    applied = (each for each in loader.applied_migrations if each[0] in loader.migrated_apps)
    return sorted(" ".join(each) for each in applied if each not in ours)
