"""Private servers for the whole run: one PostgreSQL and one Valkey per pytest worker, started before Django."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
from django.test.utils import setup_databases

from infra import messages
from infra.embedded import servers
from infra.messages import catalogues
from tests import leftovers, tables


def _start_servers() -> None:
    """Point the settings at servers of our own, unless the caller named his."""
    home = Path(tempfile.mkdtemp(prefix="wb-test-", dir="/tmp"))
    home.chmod(0o711)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "run").mkdir(mode=0o711)
    (home / "static").mkdir()  # WhiteNoise warns of a folder that is not there
    if "DATABASE_URL" not in os.environ:
        postgres = servers.start_postgres(home, home / "postgres.log", durable=False)
        atexit.register(postgres.stop)
        os.environ["DATABASE_URL"] = postgres.url
    if "REDIS_URL" not in os.environ:
        valkey = servers.start_valkey(home, "limits", home / "valkey.log", persist=False)
        atexit.register(valkey.stop)
        os.environ["REDIS_URL"] = valkey.url
        os.environ.setdefault("BROKER_URL", f"redis+socket://{urlsplit(valkey.url).path}?virtual_host=1")
    os.environ["WEIGHBRIDGE_MODE"] = "test"
    os.environ["WEIGHBRIDGE_HOME"] = str(home)
    # Not in pyproject.toml: pytest-django would read the settings before this file could name the servers.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


pytest_plugins = ["tests.stack"]


_INHERITED = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "WEIGHBRIDGE_MODE",
    "WEIGHBRIDGE_HOME",
    "DJANGO_SETTINGS_MODULE",
)
_named_by_caller = {name: os.environ[name] for name in _INHERITED if name in os.environ}
_start_servers()
if messages.stale():
    catalogues.compile_all()
django.setup()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Give the workers of a parallel run the caller's environment: they inherit the controller's, and would read its
    settings, and share its Valkey, before they have servers of their own."""
    if session.config.getoption("numprocesses", None):
        for name in _INHERITED:
            os.environ.pop(name, None)
        os.environ.update(_named_by_caller)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: the collector of garbage would go through all of it, again and again, for nothing. What tests
    leave behind it may look for less often: a tenth of their processor time went there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


_LONGEST_NAME = 80


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a test by the beginning of a long value. Its whole name goes from process to process with each report, and into
    the environment of all that the test starts, where a file's nine megabytes have no room."""
    if isinstance(val, str | bytes) and len(val) > _LONGEST_NAME:
        return f"{val[:_LONGEST_NAME]!r}…"
    return None


leftovers.after_each_transactional_test()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any) -> None:
    """The test database, whichever tests were chosen. pytest-django makes it for tests that are marked as using it: a
    file whose servers alone do would find no tables when it is run by itself, as a failed test is (ADR 19). It ends
    with its server; on one that the caller named it is replaced by the next run."""
    migrate = partial(setup_databases, verbosity=0, interactive=False, aliases={"default"}, serialized_aliases=set())
    with django_db_blocker.unblock():
        if "DATABASE_URL" in _named_by_caller:
            migrate()
        else:
            tables.make_or_take(migrate)


@pytest.fixture(scope="session", autouse=True)
def _announcements_afresh() -> None:
    """Each page looks for announcements anew: how many statements it takes must not hang on which test ran before."""
    from portal.announcements import context

    context.FRESH_S = 0  # type: ignore[misc]
