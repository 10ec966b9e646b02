"""`manage.py migrate`: one at a time, and not backwards without a word.

Django asks for no lock: of two runs at once, each makes what the other is making, and fills tables twice. What it does not know
it passes over, and the portal would start on it.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader

from portal.postgres.locks import alone

PATIENCE_S: Final = 1800
"""How long one waits for another: two tasks of a cluster start at once, and an upgrade that was killed may have left one behind."""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """As Django's, once no other migrates this database. Raises CommandError where a newer version did: its tables are
        not ours."""
        with alone("migrate") as mine:
            if mine:
                return self._migrate(*args, **options)
        self.stderr.write("Another migrate is at work on this database. Waiting for it …")
        with alone("migrate", within_s=PATIENCE_S) as mine:
            if not mine:
                raise CommandError(
                    "Another migrate is still at work on this database. Nothing was changed. Try again later."
                )
            return self._migrate(*args, **options)

    def _migrate(self, *args: Any, **options: Any) -> None:
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
