"""A passkey in a real browser with a virtual authenticator: added, used at sign-in; and the pages under axe."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page

from infra.walk.walker import Look
from tests.browser.conftest import NARROW, Holds
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def virtual_key(page: Page) -> None:
    """A security key that Chromium plays by itself."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def enter(page: Page, email: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(world.PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_passkey_is_added_and_opens_the_account(live_server, open_page: Callable[[Look], Page], holds: Holds) -> None:
    mara = world.person("Mara Lindqvist")
    EmailAddress.objects.create(user=mara, email=mara.email, verified=True, primary=True)
    page = open_page(NARROW)
    virtual_key(page)

    def looks(name: str) -> None:
        holds(page, f"factor-{name}")

    base = live_server.url
    page.goto(f"{base}/account/login/")
    enter(page, mara.email)
    page.wait_for_url("**/me/")
    page.goto(f"{base}/account/second-factor/")
    looks("index-none")
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_label("Password").fill(world.PASSWORD)
    looks("confirm")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="Set up an app").wait_for()
    looks("app")
    page.goto(f"{base}/account/second-factor/webauthn/add/")
    looks("add")
    page.get_by_label("Name").fill("My laptop")
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url(lambda url: not url.endswith("/add/"))
    looks("after-add")
    page.goto(f"{base}/account/second-factor/webauthn/")
    page.get_by_role("rowheader", name="My laptop").wait_for()
    looks("keys")
    page.goto(f"{base}/account/second-factor/recovery-codes/")
    looks("codes")
    page.goto(f"{base}/account/second-factor/recovery-codes/generate/")
    looks("codes-new")

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{base}/account/login/")
    enter(page, mara.email)
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    looks("at-sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/me/")


def test_a_passkey_alone_opens_the_account_and_a_second_key_beside_the_password_does_not(
    live_server, open_page: Callable[[Look], Page], holds: Holds
) -> None:
    mara = world.person("Mara Lindqvist")
    EmailAddress.objects.create(user=mara, email=mara.email, verified=True, primary=True)
    page = open_page(NARROW)
    virtual_key(page)
    base = live_server.url
    page.goto(f"{base}/account/login/")
    holds(page, "passkey-login")
    enter(page, mara.email)
    page.wait_for_url("**/me/")
    page.goto(f"{base}/account/second-factor/webauthn/add/")
    page.get_by_label("Password").fill(world.PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("My laptop")
    page.get_by_label("Sign in with this key alone").check()
    holds(page, "passkey-add")
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url(lambda url: not url.endswith("/add/"))
    page.goto(f"{base}/account/second-factor/webauthn/")
    page.get_by_text("opens the account alone").wait_for()
    holds(page, "passkey-list")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{base}/account/login/?next=/me/tokens/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/me/tokens/")
