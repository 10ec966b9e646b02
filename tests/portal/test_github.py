"""Signing in with GitHub, whose wire is its own: a server of ours speaks as its documentation says.

Facts: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and /rest/users.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.test import Client
from django.urls import reverse

from portal import env
from portal.people.models import User

pytestmark = pytest.mark.django_db
PROFILE = {"id": 583231, "login": "octocat", "name": "Mona Berg", "email": None, "company": "@github", "bio": "Cat"}
KEYS = '[{"id": "github", "client_id": "ours", "secret": "shared"}]'


class GitHub(BaseHTTPRequestHandler):
    """Three addresses of GitHub's."""

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = {"client_id": ["ours"], "client_secret": ["shared"], "code": ["once"]}
        known = asked.items() <= sent.items() and "code_verifier" in sent
        self._say({"access_token": "gho_x", "token_type": "bearer"} if known else {"error": "bad_verification_code"})

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "token gho_x":
            self.send_error(401)
        else:
            self._say({"/user": PROFILE, "/user/emails": self.server.emails}[self.path])  # type: ignore[attr-defined]

    def _say(self, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def github(monkeypatch, settings) -> Iterator[Any]:
    settings.SOCIALACCOUNT_PROVIDERS = env.sign_in(KEYS)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    server.emails = [{"email": "mona@northfield.example", "primary": True, "verified": True, "visibility": None}]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", f"{base}/login/oauth/access_token")
    monkeypatch.setattr(GitHubOAuth2Adapter, "profile_url", f"{base}/user")
    monkeypatch.setattr(GitHubOAuth2Adapter, "emails_url", f"{base}/user/emails")
    yield server
    server.shutdown()
    server.server_close()


def back_from(client: Client, code: str = "once") -> Any:
    """Go to GitHub, say yes there, come back."""
    address = urlsplit(client.post("/account/linked/github/login/").context["url"])
    assert address.netloc == "github.com"
    asked = parse_qs(address.query)
    assert asked["scope"] == ["user:email"]
    assert asked["redirect_uri"] == ["http://testserver/account/linked/github/login/callback/"]
    return client.get(f"/account/linked/github/login/callback/?code={code}&state={asked['state'][0]}")


def test_a_verified_address_at_github_spares_our_link_and_of_the_profile_we_keep_the_name(github):
    client = Client()
    answer = back_from(client)
    assert answer["Location"] == reverse("socialaccount_signup")
    assert client.get(answer["Location"]).context["form"].initial["name"] == "Mona Berg"
    done = client.post(answer["Location"], {"name": "Mona Berg", "email": "mona@northfield.example"})
    assert done["Location"] == "/me/"
    account = SocialAccount.objects.get()
    assert (account.uid, account.extra_data) == ("583231", {"login": "octocat", "name": "Mona Berg"})
    assert EmailAddress.objects.get().verified


def test_an_unverified_one_does_not(github):
    github.emails[0]["verified"] = False
    client = Client()
    done = client.post(back_from(client)["Location"], {"name": "Mona Berg", "email": "mona@northfield.example"})
    assert "confirm-email" in done["Location"]
    assert not EmailAddress.objects.get().verified


def test_a_code_that_github_does_not_know_and_a_github_that_is_down_have_a_page(github, monkeypatch):
    assert back_from(Client(), code="twice").status_code == 401
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", "http://127.0.0.1:9/login/oauth/access_token")
    answer = back_from(Client())
    assert answer.status_code == 401
    assert "GitHub did not answer in a way that we can trust" in answer.content.decode()
    assert not User.objects.exists()
