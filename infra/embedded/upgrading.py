"""`make upgrade`: keep a copy of the database, migrate, verify; and such a copy while the portal runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

from infra.embedded import database, managing, preparation, serving, stack
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem
from infra.embedded.processes import Group
from infra.embedded.stack import Choices


def run(home: Home, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Back up, migrate, verify. The stack must be stopped: an old process must never meet a new schema."""
    mode = home.mode()
    if not mode:
        raise Problem(f"{home.path} holds no installation.", "Set WEIGHBRIDGE_HOME to the one to upgrade.")
    base = serving.with_settings(home, mode, environment)
    choices = Choices.from_environment(mode, base)
    lock = Lock(home)
    lock.take(mode="upgrade", url=choices.base_url)
    home.prepare(mode)
    if not stack.brings_database(base):
        preparation.expect_database(home)
    group = Group(home.logs, say)
    try:
        group.start(stack.servers(home, base), stopping=lambda: False)
        env = stack.environment(home, choices, base)
        say(f"Backed up to {_back_up(home, _address(env))}")
        preparation.migrate(home, env, fresh=True)
        say("Migrated.")
        preparation.manage(env, home, "check")
        preparation.manage(env, home, "verify_audit")
        say("Verified: settings, schema and audit chain. Start it again with `make " + mode + "`.")
    finally:
        group.stop()


def back_up(home: Home, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """A copy as an upgrade makes it, of a stack that runs and goes on. Raises Problem where none runs."""
    say(f"Backed up to {_back_up(home, _address(managing.environment(home, environment)))}")


def _address(env: Mapping[str, str]) -> str:
    return env.get("DATABASE_URL") or Path(env["DATABASE_URL_FILE"]).read_text(encoding="utf-8").strip()


def _back_up(home: Home, url: str) -> Path:
    """The database as one file of pg_dump's own format; infra.embedded.restoring brings it back. It has its name once it is whole."""
    folder = home.path / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    with _alone(folder):
        for left in folder.glob("*.part"):  # of one that was killed
            left.unlink()
        return _dump(folder, url)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as busy:
        raise Problem("Another copy is being made.", f"Wait for it: it appears in {folder}.") from busy
    finally:
        os.close(handle)


def _dump(folder: Path, url: str) -> Path:
    target = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    facts = parse_dsn(url)
    secret = {"PGPASSWORD": facts.pop("password")} if "password" in facts else {}  # whoever lists processes sees words
    handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            done = subprocess.run(
                [database.binaries() / "pg_dump", "--format=custom", "--no-owner", f"--dbname={make_dsn(**facts)}"],
                stdout=file, stderr=subprocess.PIPE, check=False, env={**os.environ, **secret},
            )  # fmt: skip
            os.fsync(file.fileno())
        if done.returncode or not Path(part).stat().st_size:
            raise Problem(
                "The backup failed, so nothing was changed.", f"pg_dump said:\n\n{done.stderr.decode().strip()}"
            )
        Path(part).rename(target)
    finally:
        Path(part).unlink(missing_ok=True)
    return target
