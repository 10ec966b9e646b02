"""A real OpenID Connect provider for tests: its own server process, behind a door that can be made to lie.

The door forwards every request. Where a test has set `changes`, it takes the ID token apart, changes claims, and signs
anew with a key that the provider's key set then names (with `forged`, with another key under that name).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from portal import env
from tests.stack import free_port

PROVIDER = "northfield"


@dataclass
class Provider:
    """One provider, as a test sees it."""

    url: str
    behind: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Claims of the ID token that the door replaces; None takes one away."""
    told: dict[str, Any] = field(default_factory=dict)
    """Claims of the user info that the door replaces."""
    forged: bool = False
    down: bool = False
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    other: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def knows(self, sub: str, **claims: Any) -> str:
        """Give the provider an account; returns its subject."""
        httpx.put(f"{self.behind}/users/{sub}", json=claims).raise_for_status()
        return sub

    def honest(self) -> None:
        """As at the beginning."""
        self.changes, self.told, self.forged, self.down = {}, {}, False, False

    def listed(self, *ids: str) -> dict[str, Any]:
        """The setting of a lab that lists this provider under these ids."""
        keys = {
            "server": self.url,
            "client_id": "weighbridge",
            "secret": "shared",
            "scope": ["openid", "profile", "email"],
        }
        names = {PROVIDER: "Northfield University", "orcid": "ORCID"}
        return env.sign_in(
            json.dumps([{"id": each, "name": names.get(each, each), **keys} for each in ids or [PROVIDER]])
        )

    # --- What a browser does -----------------------------------------------------------------------------------
    def sent_to(self, client: Client, provider: str = PROVIDER, **data: str) -> str:
        """Press the button; returns the provider's address that the page leads on to."""
        return client.post(f"/account/linked/{provider}/login/", data).context["url"]

    def consent(self, address: str, sub: str, *, action: str = "") -> str:
        """Say yes (or, with `action="deny"`, no) at the provider; returns the address that it sends back to."""
        answer = httpx.post(address, data={"sub": sub, "action": action})
        back, asked = urlsplit(answer.headers["Location"]), parse_qs(urlsplit(address).query)
        query = {"state": asked["state"], **parse_qs(back.query)}  # this server forgets the state of a refusal
        return f"{back.path}?{urlencode(query, doseq=True)}"

    def enter(self, client: Client, sub: str, provider: str = PROVIDER, **data: str) -> Any:
        """The whole way there and back; returns the portal's answer."""
        return client.get(self.consent(self.sent_to(client, provider, **data), sub))

    # --- What the door does ------------------------------------------------------------------------------------
    def altered(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The provider's answer, as the door gives it on."""
        if path == "/jwks" and (self.changes or self.forged):
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            body["keys"] = [{**public, "kid": "door", "alg": "RS256", "use": "sig"}]
        if path == "/userinfo":
            body |= self.told
        if path == "/oauth2/token" and (self.changes or self.forged) and "id_token" in body:
            claims = jwt.decode(body["id_token"], options={"verify_signature": False})
            claims = {name: value for name, value in {**claims, **self.changes}.items() if value is not None}
            key = self.other if self.forged else self.key
            body["id_token"] = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "door"})
        return body


@contextmanager
def running() -> Iterator[Provider]:
    """Start the server and its door, and end both."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    door = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    provider = Provider(f"http://127.0.0.1:{door.server_port}", f"http://127.0.0.1:{port}")
    door.provider = provider  # type: ignore[attr-defined]
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        _wait(provider.behind, server)
        yield provider
    finally:
        door.shutdown()
        door.server_close()
        thread.join(5)
        server.terminate()
        server.wait(10)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


class _Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        if provider.down:
            self.send_error(503)
            return
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kept = {
            name: value for name, value in self.headers.items() if name in {"Authorization", "Content-Type", "Host"}
        }
        answer = httpx.request(self.command, provider.behind + self.path, content=sent, headers=kept)
        body = answer.content
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            body = json.dumps(provider.altered(urlsplit(self.path).path, answer.json())).encode()
        self.send_response(answer.status_code)
        for name in ("Content-Type", "Location"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""
