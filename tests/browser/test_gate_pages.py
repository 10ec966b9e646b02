"""The pages of gates in a browser: every state of them holds for axe and at 320 px, and the form is written by keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from infra.walk.walker import Look
from portal.access import actions
from tests.browser.conftest import NARROW, AxeCheck, Holds, keep, press, sign_in
from tests.portal import world
from tests.portal.test_passing import PLAIN, verified

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_manager_walks_through_the_pages_of_a_gate(
    live_server, open_page: Callable[[Look], Page], holds: Holds
) -> None:
    lyceum = world.build()
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, duo=["DUO:0000018"], summary="Weights for research.")
    page = open_page(NARROW)
    sign_in(page, live_server, lyceum.manager)

    page.goto(f"{live_server.url}/gates/")
    holds(page, "gates")
    page.get_by_role("link", name="New gate of").click()
    press(page, "Make the gate")
    holds(page, "gate-new")
    page.goto(f"{live_server.url}/gates/lyceum/{lyceum.gate.slug}/")
    holds(page, "gate")
    press(page, "Close to new applications")
    holds(page, "gate-not-closed")
    page.goto(f"{live_server.url}/gates/lyceum/{lyceum.gate.slug}/form/")
    holds(page, "gate-form")
    text = page.get_by_label("Form", exact=True)
    whole = text.input_value()
    text.fill(whole.replace("type: long_text", "type: essay", 1))
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("alert")).to_contain_text("essay")
    holds(page, "gate-form-errors")
    page.get_by_label("Form", exact=True).fill(whole.replace("Project title", "Title of the work"))
    press(page, "Preview")
    holds(page, "gate-preview")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("heading", name="From version 1 to 2")).to_be_visible()
    holds(page, "gate-forms")
    page.goto(f"{live_server.url}/agreements/lyceum/new/")
    holds(page, "agreement-new")


def test_what_rules_approved_is_read_and_spot_checked(
    live_server, open_page: Callable[[Look], Page], holds: Holds
) -> None:
    lyceum = world.build()
    actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=PLAIN)
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, auto_approve_green=True, spot_check_percent=100)
    lyceum.gate.refresh_from_db()
    mara = verified(world.person("Mara Lindqvist"))
    passed = lyceum.applied(mara)
    page = open_page(NARROW)
    sign_in(page, live_server, mara)
    page.goto(f"{live_server.url}{passed.get_absolute_url()}")
    holds(page, "passed")
    page.context.clear_cookies()
    sign_in(page, live_server, lyceum.reviewers[0])
    page.goto(f"{live_server.url}/review/?show=spot_check")
    holds(page, "queue-spot")
    page.goto(f"{live_server.url}/review/{passed.pk}/")
    press(page, "No, a person should have read it")
    holds(page, "spot-check")
    page.get_by_role("textbox", name="Note (needed").fill("The page shows a company.")
    page.get_by_role("button", name="No, a person should have read it").click()
    expect(page.get_by_text("a person would have decided otherwise")).to_be_visible()


def test_a_closed_gate_says_why(live_server, page: Page, axe_check: AxeCheck) -> None:
    lyceum = world.build()
    actions.close_gate(by=lyceum.manager, gate=lyceum.gate, reason="All seats are taken until May.")
    mara = world.person("Mara Lindqvist")
    sign_in(page, live_server, mara)
    page.goto(f"{live_server.url}/apply/{lyceum.gate.slug}/")
    expect(page.get_by_text("All seats are taken until May.")).to_be_visible()
    axe_check(page)
    keep(page, "closed")
