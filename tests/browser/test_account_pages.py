"""Sign up, verify, sign in, reset: in a browser, with mail read from the mailbox page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import AxeCheck, Holds

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPEN = [
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/confirm-email/",
    "/account/confirm-email/not-a-key/",
    "/account/inactive/",
    "/help/",
    "/gallery/",
    "/mailbox/",
    "/nobody/nothing/nowhere/",
]


@pytest.fixture(autouse=True)
def _mailbox(settings: object) -> None:
    settings.EMAIL_BACKEND = "portal.mailbox.backend.MailboxBackend"


def test_open_pages_are_accessible_and_hold_at_320_pixels(live_server, page: Page, holds: Holds) -> None:
    for path in OPEN:
        page.goto(live_server.url + path)
        assert page.locator("h1").count() == 1, path
        holds(page, f"open{path.replace('/', '-')}")


def test_sign_up_verify_and_sign_in(live_server, page: Page, axe_check: AxeCheck) -> None:
    page.goto(f"{live_server.url}/account/signup/")
    page.get_by_role("button", name="Create account").click()
    page.locator(".summary:focus").wait_for()  # an error summary takes the focus, once the page is there
    axe_check(page)
    page.get_by_role("link", name="Name").first.click()
    assert page.evaluate("document.activeElement.id") == "id_name"

    page.get_by_label("Name").fill("Mara Lindqvist")
    page.get_by_label("E-mail address").fill("Mara@Northfield.example")
    page.get_by_label("Password", exact=True).fill("a-long-enough-word-23")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("heading", name="Look in your mail").wait_for()
    axe_check(page)

    _follow_mail(live_server.url, page, "Verify your address")
    axe_check(page)
    page.get_by_role("button", name="Yes, verify it").click()
    page.get_by_role("heading", name="Your access").wait_for()
    axe_check(page)

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{live_server.url}/account/login/")
    page.get_by_label("E-mail address").fill("mara@northfield.example")
    page.get_by_label("Password").fill("a-long-enough-word-23")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Your access").wait_for()


def _follow_mail(base: str, page: Page, subject: str) -> None:
    page.goto(f"{base}/mailbox/")
    page.get_by_role("link", name=re.compile(subject)).first.click()
    page.locator(".mail-text a[href^='http']").first.click()
