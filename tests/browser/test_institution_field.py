"""The institution field in a browser: by keyboard, by mouse, without script; and the proof by an address."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.walk.walker import Look
from portal.access import actions, form_spec
from portal.people import ror
from portal.people.institution_actions import import_register
from portal.people.models import Affiliation
from tests.browser.conftest import NARROW, AxeCheck, Holds, keep, press, sign_in
from tests.portal import world
from tests.portal.test_field_types import MORE, PDF

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def mara(transactional_db):
    import_register(ror.read(ror.SAMPLE), by=None)
    return world.person("Mara Lindqvist")


@pytest.fixture(autouse=True)
def _mailbox(settings: object, live_server) -> None:
    settings.EMAIL_BACKEND = "portal.mailbox.backend.MailboxBackend"
    settings.BASE_URL = live_server.url


def test_an_institution_is_chosen_by_keyboard(live_server, page: Page, axe_check: AxeCheck, mara) -> None:
    sign_in(page, live_server, mara)
    page.goto(f"{live_server.url}/me/profile/")
    field = page.get_by_role("combobox", name="Institution", exact=False).first
    field.focus()
    page.keyboard.type("northf", delay=20)
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    expect(page.locator(".combobox [role=status]")).to_contain_text("institutions")
    axe_check(page)
    keep(page, "institution-open")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "organisation_hit_2")
    page.keyboard.press("ArrowUp")
    chosen = options.first.get_attribute("data-name")
    page.keyboard.press("Enter")
    expect(field).to_have_value(chosen or "")
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.type(" ")
    page.keyboard.press("Backspace")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    assert Affiliation.objects.get().institution.name == chosen
    keep(page, "profile")


def test_an_address_shows_where_one_works(live_server, page: Page, axe_check: AxeCheck, mara) -> None:
    sign_in(page, live_server, mara)
    page.goto(f"{live_server.url}/me/address/")
    axe_check(page)
    keep(page, "address-none")
    page.get_by_role("link", name="Choose your institution").click()
    page.get_by_role("combobox", name="Institution", exact=False).first.fill("Saltmarsh")
    page.get_by_role("option", name="University of Saltmarsh").click()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Show it by an address").click()
    page.get_by_label("Address at your institution").fill("mara@gmail.com")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_text("gives an address to anyone").first.wait_for()
    axe_check(page)
    keep(page, "address-refused")
    page.get_by_label("Address at your institution").fill("mara@saltmarsh.example")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_text("not followed yet").wait_for()
    axe_check(page)
    page.goto(f"{live_server.url}/mailbox/")
    page.get_by_role("link", name=re.compile("Show that you work")).first.click()
    with page.expect_navigation():
        page.locator(".mail-text a[href^='http']").first.click()
    axe_check(page)
    keep(page, "address-confirm")
    page.get_by_role("button", name="Yes, it is mine").click()
    page.get_by_text("verified, until").wait_for()
    axe_check(page)
    keep(page, "profile-verified")


def test_without_script_the_register_is_searched_by_a_button(live_server, browser: Browser, mara) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=NARROW.viewport)
    page = context.new_page()
    page.set_default_timeout(15_000)
    sign_in(page, live_server, mara)
    page.goto(f"{live_server.url}/me/profile/")
    page.get_by_label("Institution", exact=False).first.fill("osterberg")
    press(page, "Find in the register")
    keep(page, "institution-no-script")
    page.get_by_label("Österberg University of Applied Sciences").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    assert Affiliation.objects.get().institution.country == "AT"
    context.close()


def test_the_search_page_holds(live_server, page: Page, holds: Holds, mara) -> None:
    sign_in(page, live_server, mara)
    for query in ("", "?q=university", "?q=nowhere+at+all"):
        page.goto(f"{live_server.url}/institutions/{query}")
        holds(page, f"institutions-{len(query)}")


def test_the_form_takes_an_institution_people_a_date_and_a_file(
    live_server, open_page: Callable[[Look], Page], holds: Holds, mara, tmp_path
) -> None:
    lyceum = world.build()
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=form_spec.research() + MORE)
    page = open_page(NARROW)
    sign_in(page, live_server, mara)
    base = f"{live_server.url}/apply/{lyceum.gate.slug}"
    page.goto(f"{base}/you/")
    page.get_by_role("combobox", name="Institution").first.press_sequentially("saltm")
    page.get_by_role("option", name="University of Saltmarsh").click()
    expect(page.locator("#saved")).to_contain_text("Saved")
    holds(page, "apply-institution")
    assert mara.applications.get().answers["institution"]["ror"] == "https://ror.org/0u0000600"

    page.goto(f"{base}/uses/")
    holds(page, "apply-uses")
    page.get_by_label("None of these touches my work").check()
    page.get_by_role("button", name="Save and continue").click()

    page.goto(f"{base}/more/")
    document = tmp_path / "cv.pdf"
    document.write_bytes(b"plain text")
    page.get_by_label("Until").fill("2027-03-31")
    page.get_by_label("Team").fill("Ada Okafor, ada@northfield.example")
    page.get_by_label("CV").set_input_files(document)
    page.get_by_role("button", name="Save and check").click()
    page.get_by_text("not a whole PDF").first.wait_for()
    holds(page, "apply-more-errors")
    document.write_bytes(PDF)
    page.get_by_label("CV").set_input_files(document)
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("heading", name="Check and send").wait_for()
    page.goto(f"{base}/more/")
    holds(page, "apply-more")
    with page.expect_download() as download:
        page.get_by_role("link", name="cv.pdf").click()
    assert download.value.suggested_filename == "cv.pdf"
