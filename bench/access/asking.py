"""One request to the portal's WSGI application, as a server would make it, in this process."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from wsgiref.util import setup_testing_defaults

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.people.models import User
from portal.wsgi import application


@dataclass(frozen=True)
class Asker:
    """Who asks: a header of theirs."""

    name: str
    value: str

    @classmethod
    def session(cls, user: User) -> Asker:
        """Somebody who signed in with a browser."""
        kept = SessionStore()
        kept[SESSION_KEY], kept[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        kept[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
        kept.create()
        return cls("HTTP_COOKIE", f"session={kept.session_key}")

    @classmethod
    def bearer(cls, secret: str) -> Asker:
        """A program with a token."""
        return cls("HTTP_AUTHORIZATION", f"Bearer {secret}")


@dataclass(frozen=True)
class Cost:
    """Of one request: milliseconds on the clock, and of processor time in the portal and in PostgreSQL."""

    wall_ms: float
    portal_ms: float
    database_ms: float


def ask(asker: Asker, url: str, method: str = "GET") -> str:
    """The body of the answer. Ends the program unless it is 200, or leads on to a file."""
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1:8000",
        asker.name: asker.value,
    }
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO()
    said: list[str] = []
    answer = application(environ, lambda status, _headers, _info=None: said.append(status))
    try:
        body = b"".join(answer)
    finally:
        answer.close()
    if said[0][:3] not in {"200", "302"}:
        raise SystemExit(f"{url}: {said[0]}")
    return body.decode()


def queries(asker: Asker, url: str, method: str = "GET") -> int:
    """How many statements the request sends to PostgreSQL."""
    with CaptureQueriesContext(connection) as seen:
        ask(asker, url, method)
    return len(seen)


def timed(asker: Asker, url: str, method: str = "GET") -> Cost:
    """What one request costs."""
    database, portal, wall = _database_s(), time.process_time(), time.perf_counter()
    ask(asker, url, method)
    wall, portal = time.perf_counter() - wall, time.process_time() - portal
    return Cost(wall * 1000, portal * 1000, (_database_s() - database) * 1000)


def _database_s() -> float:
    """Processor time so far of the server process that serves our connection, from the scheduler's own account."""
    connection.ensure_connection()
    spent = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return int(spent.read_text().split()[0]) / 1e9
