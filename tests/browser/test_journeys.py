"""The promises about time and effort, kept in a real browser: how long, how many clicks, how many keys; and without
a mouse, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from infra.walk.walker import LOOKS, Look
from portal.access.application_models import Application
from portal.access.lifetime_models import Renewal
from portal.access.models import Grant
from portal.access.workflow import Status
from tests.browser.conftest import sign_in
from tests.browser.hands import Hands
from tests.browser.test_access_pages import _fill
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Opener = Callable[[Look], Page]
MINUTES = 6
SUMMARY = (
    "We compare the state of a language model before a divergence of its training with the state after the restart. "
    "We want to know which of its abilities are lost for good."
)
METHOD = (
    "We load both checkpoints, compute representations of a fixed set of texts and compare them layer by layer. "
    "Nothing is trained further; we publish the code and all figures."
)
STORAGE = "The department's cluster; two administrators, encrypted disks."


@pytest.fixture
def _mailbox(settings: Any) -> None:
    settings.EMAIL_BACKEND = "portal.mailbox.backend.MailboxBackend"


@pytest.mark.usefixtures("_mailbox")
def test_a_stranger_has_an_account_and_has_applied_within_six_minutes(live_server: Any, page: Page) -> None:
    w, hands = world.build(), Hands(page)
    page.goto(f"{live_server.url}/account/signup/")
    hands.write(page.get_by_label("Name"), "Mara Lindqvist")
    hands.write(page.get_by_label("E-mail address"), "mara@northfield.example")
    hands.write(page.get_by_label("Password", exact=True), "a-long-enough-word-23")
    hands.click(page.get_by_role("button", name="Create account"))
    page.wait_for_url("**/account/confirm-email/")
    page.goto(f"{live_server.url}/mailbox/")
    hands.click(page.get_by_role("link", name=re.compile("Verify your address")).first)
    hands.click(page.locator(".mail-text a[href^='http']").first)
    hands.click(page.get_by_role("button", name="Yes, verify it"))
    page.goto(live_server.url + w.gate.get_absolute_url())
    _apply(hands)
    page.get_by_role("heading", name="Waiting for a reviewer").wait_for()
    sent = Application.objects.get()
    assert (sent.status, sent.answers["summary"]) == (Status.SUBMITTED, SUMMARY)
    assert hands.keys > 500, "it was typed, not pasted"
    assert hands.seconds <= MINUTES * 60, f"{hands.seconds:.0f} s, {hands.keys} keys, {hands.clicks} clicks"


def _apply(hands: Hands) -> None:
    """The four sections of the default form, and the check; the name is known already."""
    page = hands.page
    hands.choose(page.get_by_label("Role"), "postdoc")
    hands.write(page.locator("#id_institution"), "Northfield University")
    hands.click(page.get_by_text("Not in the register?"))
    hands.write(page.locator("#id_institution_site"), "https://www.northfield.example")
    hands.choose(page.get_by_label("Kind of institution"), "academia")
    hands.choose(page.get_by_label("Country of work"), "EE")
    _next(hands)
    hands.write(page.get_by_label("Project title"), "How small models forget")
    hands.write(page.get_by_label("Summary"), SUMMARY)
    hands.write(page.get_by_label("Method"), METHOD)
    hands.click(page.get_by_label("download the weights"))
    _next(hands)
    hands.click(page.get_by_label("None of these touches my work"))
    _next(hands)
    hands.write(page.get_by_label("Where the weights will rest"), STORAGE)
    hands.click(page.get_by_label("I will delete the weights"))
    hands.click(page.get_by_label("What I have written is true"))
    _next(hands)
    hands.click(page.get_by_role("button", name="Send application"))


def _next(hands: Hands) -> None:
    hands.click(hands.page.get_by_role("button", name="Save and"))


def test_a_renewal_without_news_takes_two_clicks(live_server: Any, page: Page) -> None:
    w, mara = world.build(quorum=1, grant_days=60), world.person("Mara Lindqvist")
    grant, hands = w.granted(mara), Hands(page)
    sign_in(page, live_server, mara)
    page.goto(live_server.url + grant.get_absolute_url())
    hands.click(page.get_by_role("link", name="Renew", exact=True))
    hands.click(page.get_by_role("button", name="Nothing to report: renew"))
    page.get_by_text("Sent. A reviewer of the lab decides").wait_for()
    assert Renewal.objects.filter(grant=grant).count() == 1
    assert (hands.clicks, hands.keys) == (2, 0)


def test_a_decision_takes_two_clicks_or_three_keys(live_server: Any, open_page: Opener) -> None:
    w = world.build(quorum=1)
    with_mouse, with_keys = (w.applied(world.person(name)) for name in ("Mara Lindqvist", "Sam Sent"))
    page = open_page(LOOKS[0])
    sign_in(page, live_server, w.reviewers[0])
    hands = Hands(page)
    page.goto(live_server.url + reverse("access:queue"))
    hands.click(page.get_by_role("link", name=with_mouse.reference))
    page.wait_for_url(f"**/review/{with_mouse.pk}/")
    hands.click(page.get_by_role("button", name="Approve"))
    page.get_by_text("Approved. The applicant can sign now.").wait_for()
    assert (hands.clicks, hands.keys) == (2, 0)
    hands = Hands(page)
    page.goto(live_server.url + reverse("access:queue"))
    hands.press("j")
    hands.press("Enter")
    page.wait_for_url(f"**/review/{with_keys.pk}/", wait_until="load")
    hands.press("a")
    page.get_by_text("Approved. The applicant can sign now.").wait_for()
    assert (hands.clicks, hands.keys) == (0, 3)
    assert set(Application.objects.values_list("status", flat=True)) == {Status.APPROVED}


def test_without_a_mouse_one_applies_decides_and_signs(live_server: Any, open_page: Opener) -> None:
    w, mara = world.build(quorum=1), world.person("Mara Lindqvist")
    hers, desk = open_page(LOOKS[0]), open_page(LOOKS[0])
    sign_in(hers, live_server, mara)
    sign_in(desk, live_server, w.reviewers[0])
    hers.goto(live_server.url + w.gate.get_absolute_url())
    hands = Hands(hers)
    _apply_by_key(hands)
    application = Application.objects.get()
    assert application.status == Status.SUBMITTED

    desk.goto(live_server.url + reverse("access:queue"))
    reviewing = Hands(desk)
    reviewing.submit(desk.get_by_role("link", name=application.reference))
    reviewing.enter(desk.get_by_label("Note with your vote"), "A sound plan.")
    reviewing.submit(desk.get_by_role("button", name="Approve"))
    desk.get_by_text("Approved. The applicant can sign now.").wait_for()

    hers.goto(live_server.url + application.get_absolute_url())
    hands.submit(hers.get_by_role("link", name="Read and sign"))
    hands.enter(hers.get_by_label("Type your full name"), "Mara Lindqvist")
    hands.enter(hers.get_by_label("In what capacity?"), "for myself")
    hands.submit(hers.get_by_role("button", name="Sign agreement"))
    hers.get_by_role("heading", name="Receipt of signature").wait_for()
    assert (hands.clicks, reviewing.clicks) == (0, 0)
    assert Grant.objects.active().filter(user=mara).exists()


def _apply_by_key(hands: Hands) -> None:
    page = hands.page
    hands.enter(page.get_by_label("Role"), "Postd")
    hands.enter(page.locator("#id_institution"), "Northfield University")
    hands.press("Escape")
    hands.go(page.get_by_text("Not in the register?"))
    hands.press("Enter")
    hands.enter(page.locator("#id_institution_site"), "https://www.northfield.example")
    hands.enter(page.get_by_label("Kind of institution"), "Acad")
    hands.enter(page.get_by_label("Country of work"), "Esto")
    _next_by_key(hands)
    for label, text in (("Project title", "How small models forget"), ("Summary", SUMMARY), ("Method", METHOD)):
        hands.enter(page.get_by_label(label), text)
    hands.enter(page.get_by_label("download the weights"), " ")
    _next_by_key(hands)
    hands.enter(page.get_by_label("None of these touches my work"), " ")
    _next_by_key(hands)
    hands.enter(page.get_by_label("Where the weights will rest"), STORAGE)
    hands.enter(page.get_by_label("I will delete the weights"), " ")
    hands.enter(page.get_by_label("What I have written is true"), " ")
    _next_by_key(hands)
    hands.submit(page.get_by_role("button", name="Send application"))


def _next_by_key(hands: Hands) -> None:
    hands.submit(hands.page.get_by_role("button", name="Save and"))


def test_without_javascript_one_applies_decides_and_signs(live_server: Any, browser: Browser) -> None:
    w, mara = world.build(quorum=1), world.person("Mara Lindqvist")
    hers, desk = (browser.new_context(java_script_enabled=False).new_page() for _ in range(2))
    sign_in(hers, live_server, mara)
    sign_in(desk, live_server, w.reviewers[0])
    hers.goto(live_server.url + w.gate.get_absolute_url())
    hers.get_by_text("Change what we know already").click()
    for part in w.gate.form_spec:
        _fill(hers, part)
        hers.get_by_role("button", name="Save and").click()
    hers.get_by_role("button", name="Send application").click()
    hers.get_by_role("heading", name="Waiting for a reviewer").wait_for()
    application = Application.objects.get()

    desk.goto(live_server.url + reverse("access:queue"))
    desk.get_by_role("link", name=application.reference).click()
    desk.get_by_role("button", name="Approve").click()
    desk.get_by_text("Approved. The applicant can sign now.").wait_for()

    hers.reload()
    hers.get_by_role("link", name="Read and sign").click()
    hers.get_by_label("Type your full name").fill("Mara Lindqvist")
    hers.get_by_label("In what capacity?").fill("for myself")
    hers.get_by_role("button", name="Sign agreement").click()
    hers.get_by_role("heading", name="Receipt of signature").wait_for()
    assert Grant.objects.active().filter(user=mara).exists()
    for page in (hers, desk):
        page.context.close()
