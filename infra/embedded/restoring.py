"""`python -m infra.embedded restore FILE`: the way back from an upgrade, to a copy that it made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psycopg2

from infra.embedded import database, preparation, serving, stack
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem
from infra.embedded.processes import Group

_IN_VAIN: Final = "The copy cannot be restored, so nothing was changed."


def run(home: Home, environment: Mapping[str, str], copy: Path, say: Callable[[str], None]) -> None:
    """Put the copy in the place of the database, which is kept under another name. The stack must be stopped.

    Nothing is migrated: the copy belongs to the version that made it, and the next start brings it up to its own.
    """
    mode = home.mode()
    if not mode:
        raise Problem(f"{home.path} holds no installation.", "Set WEIGHBRIDGE_HOME to the one to restore.")
    base = serving.with_settings(home, mode, environment)
    if stack.brings_database(base):
        raise Problem("The database is on a server of your own.", f"Restore it there: `pg_restore --no-owner {copy}`.")
    if not copy.is_file():
        raise Problem(f"There is no copy {copy}.", f"Name one of those in {home.path / 'backups'}.")
    lock = Lock(home)
    lock.take(mode="restore", url=str(copy))
    home.prepare(mode)
    group = Group(home.logs, say)
    try:
        group.start([database.spec(home)], stopping=lambda: False)
        kept = database.replace(home, lambda url: _fill(url, copy))
        preparation.forget_migrations(home)
    except psycopg2.Error as error:
        raise Problem(_IN_VAIN, f"PostgreSQL said:\n\n{str(error).strip()}") from error
    finally:
        group.stop()
    say(
        f"Restored. {f'The database as it was is kept as {kept}. ' if kept else ''}Start the version that made the copy with `make {mode}`. "
        "Then `python -m infra.embedded manage rebuild_limits`, which counts from this ledger and names whose rights were "
        "taken since (they have them again), and `… manage collect_garbage "
        "--dry-run`, which counts what the store has of later releases (those of the last day do not show yet): ingest them again within a week."
    )


def _fill(url: str, copy: Path) -> None:
    done = subprocess.run(
        [database.binaries() / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Problem(_IN_VAIN, f"pg_restore said:\n\n{done.stderr.strip()}")
