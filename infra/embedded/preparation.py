"""Bring the database, the static files and the demo's data up to date; skip in milliseconds what already is."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from infra.embedded import privileges
from infra.embedded.home import ROOT, Home
from infra.embedded.problems import Problem


def migrate(home: Home, env: Mapping[str, str], *, fresh: bool) -> bool:
    """Apply migrations unless this very set was applied to this very database this month; whether anything was run.

    In another month the ledgers may lack its partition: nobody made it while the stack rested.
    """
    found = _fingerprint(
        path for app in ("portal", "releases", "inference") for path in (ROOT / app).rglob("migrations/*.py")
    )

    def action() -> None:
        manage(env, home, "migrate", "--no-input", "-v", "0")
        manage(env, home, "make_partitions")

    return _once(_migrated(home), f"{found} {datetime.now(UTC):%Y-%m}", due=fresh, action=action)


def expect_database(home: Home) -> None:
    """Raise Problem where the database of a home that was in use is not there, as on a disk that is not mounted.

    A start would make an empty one and post into it what the usage stream still holds, which is then gone from the stream.
    """
    if _migrated(home).exists() and not (home.database / "PG_VERSION").exists():
        raise Problem(
            f"The database of this home is not there ({home.database}).",
            "Mount its disk, or bring a copy back: `.venv/bin/python -m infra.embedded restore <file of backups/>`. If it "
            "was on a server of your own, set DATABASE_URL again.",
        )


def forget_migrations(home: Home) -> None:
    """Let the next start look again: it will find another database."""
    _migrated(home).unlink(missing_ok=True)


def _migrated(home: Home) -> Path:
    return home.path / "migrated"


def collect_static(home: Home, env: Mapping[str, str]) -> bool:
    """Gather static files under names that carry their digest."""
    sources = [
        *(ROOT / "portal" / "static").rglob("*"),
        ROOT / "portal" / "sheets.py",
        ROOT / "package-lock.json",
        ROOT / "node_modules" / ".package-lock.json",
    ]
    return _once(
        home.path / "static.stamp",
        _fingerprint(sources),
        due=not (home.path / "static").is_dir(),
        action=lambda: manage(env, home, "collectstatic", "--no-input", "--clear", "-v", "0"),
    )


def seed(home: Home, env: Mapping[str, str], *, fresh: bool) -> bool:
    """Fill the demo lab, and write demo.json. The command itself is safe to repeat."""
    archives = Path(env.get("SEED_ARCHIVES") or ROOT / "releases" / "seed")
    sources = [
        *archives.glob("*"),
        *(ROOT / "inference" / "demo").glob("*"),
        *(ROOT / "releases" / "catalogue").glob("*"),
    ]
    wanted = f"{_fingerprint(sources)} {env['BASE_URL']}"
    due = fresh or not home.demo_file.exists()
    return _once(home.path / "seeded", wanted, due=due, action=lambda: manage(env, home, "seed_demo"))


def manage(env: Mapping[str, str], home: Home, *arguments: str) -> None:
    """Run a management command, which ends with us; raises Problem with the end of what it said when it fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=dict(env), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        preexec_fn=privileges.become(None, end=signal.SIGTERM, search=False),
    )  # fmt: skip
    log = home.logs / f"{arguments[0]}.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise Problem(f"`manage.py {arguments[0]}` failed.", f"All it said is in {log}. The end of it:\n\n{said}")


def _once(stamp: Path, wanted: str, *, due: bool, action: Callable[[], None]) -> bool:
    if not due and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    stamp.unlink(missing_ok=True)
    action()
    stamp.write_text(wanted, encoding="utf-8")
    return True


def _fingerprint(paths: Iterable[Path]) -> str:
    """Digest over names, sizes and times: it decides whether to look again, nothing more."""
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        found = path.stat()
        digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
